"""Requests are checked against the contract of the model that answers, and every wrong field is named in our words."""

from __future__ import annotations

import base64
import binascii
import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from serving.refusal import FAULTS_AT_MOST, Fault, Refusal, shown
from serving.twice import check_once
from serving.words import category
from ssgan.contract import KEEPABLE, CategoryColumn, Contract, ImageColumn, NumberColumn
from ssgan.errors import DataError
from ssgan.learn.encode import decode_image

RECORDS_AT_MOST = 10_000
IMAGE_TEXT_AT_MOST = 100_000  # characters of base64; a 64x64 PNG needs at most about 17,000
BODIES = '/v1/predict takes one record, /v1/predict_many takes {"records": [...]}'
SPARE = 50  # names that a record may have beyond the contract's before nobody looks at them any more

BOM = b"\xef\xbb\xbf"  # that some programs put before UTF-8

Record = Mapping[str, Any]
Column = NumberColumn | CategoryColumn | ImageColumn


@dataclass(frozen=True)
class Checker:
    """The types of a request: strict, unknown fields refused, no NaN, missing values where the contract allows them."""

    contract: Contract
    one: TypeAdapter[Record]
    many: TypeAdapter[dict[str, list[Record]]]
    record_bytes: int  # that a record can need, written as wastefully as JSON allows

    @classmethod
    def of(cls, contract: Contract) -> Checker:
        """Made from the contract; takes a moment, so once per model."""
        kept = [rule for rule in KEEPABLE if contract.severity_of(rule) == "info"]
        fields = {name: _field(column, kept) for name, column in contract.features.items()}
        typed: Any = TypedDict  # called, it takes any name for a field
        record: Any = typed("Record", fields)
        record.__pydantic_config__ = ConfigDict(strict=True, extra="forbid")
        listed: Any = Annotated[list[record], Field(min_length=1, max_length=RECORDS_AT_MOST), FailFast()]
        records = typed("Records", {"records": listed})
        records.__pydantic_config__ = ConfigDict(strict=True, extra="forbid")
        size = 4096 + sum(6 * len(name) + _longest(column) for name, column in contract.features.items())
        return cls(contract, TypeAdapter(record), TypeAdapter(records), 2 * size)

    def record(self, body: bytes) -> Record:
        """One record from its JSON.

        Raises:
            Refusal: 413 if it is larger than any record can be, 400 with every wrong field otherwise.
        """
        if len(body) > self.record_bytes:
            text = f"one record needs at most {self.record_bytes} bytes, and this is {len(body)}; send fewer fields"
            raise Refusal(413, text)
        try:
            record = self.one.validate_json(body.removeprefix(BOM))
        except ValidationError as error:
            raise self._refusal(error) from None
        check_once(body, len(record))
        return record

    def records(self, body: bytes) -> list[Record]:
        """Up to 10,000 records from `{"records": [...]}`.

        Raises:
            Refusal: 400 with every wrong field of the first wrong record.
        """
        fields = RECORDS_AT_MOST * (len(self.contract.features) + 1) + SPARE
        if body.count(b":") + body.count(b"[") + body.count(b"{") > 2 * fields:  # so that a bomb is never unpacked
            raise Refusal(400, f"there are more names than {RECORDS_AT_MOST} records have; send fewer records")
        try:
            records = self.many.validate_json(body.removeprefix(BOM))["records"]
        except ValidationError as error:
            raise self._refusal(error) from None
        check_once(body, 1 + sum(map(len, records)))
        return records

    def _refusal(self, error: ValidationError) -> Refusal:
        if error.error_count() > 100 * FAULTS_AT_MOST:
            wrong, known = error.error_count(), len(self.contract.features)
            return Refusal(400, f"{wrong} fields are wrong, and the model takes {known}; send those of /v1/schema")
        found = error.errors(include_url=False)
        meant = self._meant_for_the_other_path(found)
        if meant is not None:
            return Refusal(400, meant, [{"field": "", "rule": "another path's body", "value": "", "message": meant}])
        faults = [self._fault(each) for each in found[:FAULTS_AT_MOST]]
        faults.sort(key=lambda fault: fault["rule"] == "missing")  # what is wrongly named is what is missing, perhaps
        return Refusal(400, _sentence(faults, len(found)), faults)

    def _meant_for_the_other_path(self, found: Sequence[Mapping[str, Any]]) -> str | None:
        """Both paths take JSON; whoever mixes them up would read of each field that it is wrong."""
        unknown = {each["loc"][0] for each in found if each["type"] == "extra_forbidden" and len(each["loc"]) == 1}
        if "records" in unknown:
            return '{"records": [...]} is for /v1/predict_many; send it there, or one record alone'
        if unknown & self.contract.features.keys():
            return 'this is one record; send it to /v1/predict, or as {"records": [...]}'
        return None

    def _fault(self, error: Mapping[str, Any]) -> Fault:
        places = [part for part in error["loc"] if part != "records"]
        rows = [part for part in places if isinstance(part, int)]
        name = next((str(part) for part in places if isinstance(part, str)), "")
        rule, text = self._said(error["type"], name, error)
        found = _input(error)
        quoted = repr(found) if isinstance(error["input"], str) else found
        where = f"`{shown(name)}` is {quoted}: " if (name or rule == "unknown field") and rule != "missing" else ""
        fault: Fault = {"field": shown(name), "rule": rule, "value": found, "message": f"{where}{text}"}
        return {"record": rows[0], **fault} if rows else fault

    def _said(self, kind: str, name: str, error: Mapping[str, Any]) -> tuple[str, str]:
        """The broken rule, in the words that intake has for it, and what would be right."""
        column = self.contract.features.get(name)
        match kind:
            case "missing" | "list_type" if not name:
                return "no records", f'the body must be {{"records": [...]}}, a list of 1 to {RECORDS_AT_MOST} records'
            case "missing":
                return "missing", f"`{name}` is missing; send it"
            case "extra_forbidden":
                known = {each.casefold(): each for each in self.contract.features}
                near = difflib.get_close_matches(name[:SHOWN_NAME].casefold(), known, n=1, cutoff=0.6)
                hint = f"did you mean `{known[near[0]]}`?" if near else "leave it out"
                return "unknown field", f"no such field; {hint}"
            case "literal_error":
                return "unknown value", f"must be {_words(column)}"
            case "finite_number":
                return "infinite", "must be a finite number"
            case "greater_than_equal" | "less_than_equal":
                return "outside range", f"must be {_range(column)}"
            case "not_an_integer":
                return "not an integer", "must be a whole number"
            case "float_type" | "float_parsing":
                return "not a number", f"must be a number{'' if column is None or not column.nullable else ' or null'}"
            case "string_too_long":
                return "text too long", f"must have at most {IMAGE_TEXT_AT_MOST} characters"
            case "string_type" | "string_unicode":
                return "not text", "must be text"
            case "value_error":
                return "not a PNG of the declared size", str(error["ctx"]["error"])
            case "json_invalid":
                return "not JSON", f"the body must be JSON: {_no_json(error)}"
            case "too_short" | "too_long":
                held = error["ctx"].get("actual_length")
                more = "" if held is None else f", and it holds {held}"
                return "number of records", f"`records` must hold 1 to {RECORDS_AT_MOST} records{more}"
            case "dict_type" if not error["loc"]:
                return "not an object", f"the body must be a JSON object: {BODIES}"
            case "dict_type":
                return "not a record", "a record must be a JSON object of fields and values"
        return "not allowed", "must be as /v1/schema says"


def _sentence(faults: Sequence[Fault], count: int) -> str:
    """The first fault, and how many there are; what is wrong with the body as a whole is no field."""
    first = faults[0]
    if not first["field"]:
        return str(first["message"])
    where = f" of record {first['record']} (the first is 0)" if "record" in first else ""
    what = f"1 field{where} is" if count == 1 else f"{count} fields{where} are"
    return f"{what} wrong: {first['message']}"


SHOWN_NAME = 200  # characters of an unknown name that are compared with the known ones


def _field(column: Column, kept: Collection[str]) -> Any:
    kind = _kind(column, kept)
    return NotRequired[kind | None] if column.nullable else kind


def _kind(column: Column, kept: Collection[str]) -> Any:
    if isinstance(column, NumberColumn):
        return _number(column, kept)
    if isinstance(column, CategoryColumn):
        return category(column)
    return Annotated[str, Field(max_length=IMAGE_TEXT_AT_MOST), AfterValidator(_png_of(column))]


def _number(column: NumberColumn, kept: Collection[str]) -> Any:
    """A number by the rules that intake and `ssgan score` hold it against; a breach of the `kept` ones is answered."""
    low, high = (None, None) if "outside range" in kept else (column.min, column.max)
    if not column.integer or "not an integer" in kept:
        return Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)]
    told: Any = {"multipleOf": 1}  # for /docs.json; pydantic's own check takes 15.999999999999998 for 16
    field = Field(ge=low, le=high, allow_inf_nan=False, json_schema_extra=told)
    return Annotated[float, field, AfterValidator(_whole)]


def _whole(value: float) -> float:
    """63.0 passes for 63."""
    if not value.is_integer():
        raise PydanticCustomError("not_an_integer", "must be a whole number")
    return value


def _png_of(column: ImageColumn) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            decode_image(base64.b64decode(text, validate=True), column)
        except binascii.Error:
            raise ValueError("must be a PNG as base64; the text is not base64") from None
        except DataError as error:
            raise ValueError(str(error)) from None
        return text

    return check


def _longest(column: Column) -> int:
    """Bytes that a value can need: JSON may write each character as \\uXXXX."""
    if isinstance(column, CategoryColumn):
        return 6 * max(map(len, column.values)) + 64
    return IMAGE_TEXT_AT_MOST if isinstance(column, ImageColumn) else 400


def _words(column: Column | None) -> str:
    if not isinstance(column, CategoryColumn):
        return "one of the known words"
    more = f" or {len(column.values) - 8} more" if len(column.values) > 8 else ""
    return f"one of {', '.join(map(repr, column.values[:8]))}{more}{' or null' if column.nullable else ''}"


def _range(column: Column | None) -> str:
    if not isinstance(column, NumberColumn):
        return "within the range of the contract"
    unit = f" {column.unit}" if column.unit else ""
    if column.max is None:
        return f"at least {column.min:g}{unit}"
    return f"at most {column.max:g}{unit}" if column.min is None else f"from {column.min:g} to {column.max:g}{unit}"


def _input(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return ""
    found = error["input"]
    if isinstance(found, bytes):
        found = found[:400].decode("utf-8", "replace")
    if isinstance(found, (dict, list)):
        return f"{'an object' if isinstance(found, dict) else 'a list'} of {len(found)}"
    return {None: "null", True: "true", False: "false"}.get(found, shown(found)) if _is_word(found) else shown(found)


def _no_json(error: Mapping[str, Any]) -> str:
    if not error["input"]:
        return "it is empty"
    in_utf_8 = isinstance(error["input"], str) or b"\0" not in error["input"][:4]
    return str(error["ctx"]["error"]) if in_utf_8 else "it is in UTF-16 or UTF-32; send it in UTF-8"


def _is_word(found: object) -> bool:
    return found is None or isinstance(found, bool)
