# Evaluates flake.nix without a network, against a stub in place of nixpkgs:
#   nix-instantiate --eval --strict tests/nix/check.nix
let
  flake = import ../../flake.nix;
  package = name: { inherit name; outPath = "/nix/store/stub-${name}"; };
  pkgs = {
    python312 = package "python"; gnumake = package "make"; git = package "git"; coreutils = package "coreutils";
    zlib = package "zlib"; chromium = package "chromium";
    stdenv = { isLinux = true; cc.cc.lib = package "cc"; };
    writeShellScript = name: text: "/nix/store/stub-${name}:${text}";
    mkShell = shell: shell;
  };
  paths = suffix: list: builtins.concatStringsSep ":" (map (p: "${p.outPath}/${suffix}") list);
  nixpkgs = {
    legacyPackages = builtins.listToAttrs (map (name: { inherit name; value = pkgs; })
      [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ]);
    lib = { makeBinPath = paths "bin"; makeLibraryPath = paths "lib"; optional = when: it: if when then [ it ] else [ ]; };
  };
  outputs = flake.outputs { self = outputs; inherit nixpkgs; };
  has = text: part: builtins.length (builtins.split part text) > 1;
  check = system:
    let apps = outputs.apps.${system}; in
    assert apps.default == apps.run;
    assert has apps.run.program "exec make run ";
    assert has apps.test.program "exec make test ";
    assert has apps.test.program "stub-chromium";
    assert builtins.length outputs.devShells.${system}.default.packages == 5;
    system;
in map check (builtins.attrNames outputs.apps)
