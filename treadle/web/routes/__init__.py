"""The addresses. Numbers in them have at most 18 digits, as SQLite's; what has more is no page."""

from starlette.convertors import IntegerConvertor, register_url_convertor


class Number(IntegerConvertor):
    """Python refuses to read 5,000 digits, and that would be our failure."""

    regex = "[0-9]{1,18}"


register_url_convertor("int", Number())
