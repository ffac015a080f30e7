{
  description = "Treadle: step-by-step workflows with a local model beside them";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      each = make: builtins.listToAttrs
        (map (system: { name = system; value = make nixpkgs.legacyPackages.${system}; }) systems);

      # The Makefile does the work, in the folder it is called from, with the tools of nixpkgs.
      # Wheels that bring compiled code look for these libraries.
      tools = pkgs: [ pkgs.python312 pkgs.gnumake pkgs.git pkgs.coreutils ];
      libraries = pkgs: nixpkgs.lib.makeLibraryPath [ pkgs.stdenv.cc.cc.lib pkgs.zlib ];
      script = pkgs: name: packages: {
        type = "app";
        program = toString (pkgs.writeShellScript "treadle-${name}" ''
          export PATH=${nixpkgs.lib.makeBinPath packages}:$PATH
          export LD_LIBRARY_PATH=${libraries pkgs}''${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
          [ -f server.py ] || { echo "Call this in the folder of Treadle." >&2; exit 1; }
          exec make ${name} "$@"
        '');
      };
      # nixpkgs has Chromium for Linux only; elsewhere the tests take the one that is installed.
      browser = pkgs: nixpkgs.lib.optional pkgs.stdenv.isLinux pkgs.chromium;
    in {
      # nix run        the same as: make run
      # nix run .#test the same as: make test
      apps = each (pkgs: rec {
        run = script pkgs "run" (tools pkgs);
        test = script pkgs "test" (tools pkgs ++ browser pkgs);
        default = run;
      });

      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = tools pkgs ++ browser pkgs;
          LD_LIBRARY_PATH = libraries pkgs;
        };
      });
    };
}
