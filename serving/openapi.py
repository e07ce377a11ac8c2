"""The description of the service for programs, made from the contract of the model in service."""

from __future__ import annotations

from typing import Any

from serving.records import RECORDS_AT_MOST, Checker
from ssgan.records import Lineage

JSON = "application/json"
UPLOADS = ("text/csv", "application/vnd.apache.parquet", "image/png", "application/octet-stream")
NUMBER, TEXT, YES_NO = {"type": "number"}, {"type": "string"}, {"type": "boolean"}
NULL = {"type": "null"}
REFUSALS = {
    "400": "A field breaks the contract, or the body cannot be read.",
    "401": "The key is missing or not known.",
    "405": "The path takes another method.",
    "408": "The request took too long to arrive.",
    "413": "The body is too large.",
    "415": "The body is of a type that is not taken.",
    "429": "Too many requests; Retry-After says when to come again.",
    "503": "Too many requests are under way; Retry-After says when to come again.",
}


def describe_to_bentoml(checker: Checker) -> dict[str, Any]:
    """What BentoML's own Python client asks for, so that it has `predict(record)` and `predict_many(records=[...])`."""
    many = {"type": "array", "items": {"type": "object"}}
    record = {**checker.one.json_schema(), "root_input": True}
    return {
        "name": checker.contract.name,
        "type": "service",
        "routes": [
            _endpoint("predict", record),
            _endpoint("predict_many", {"type": "object", "properties": {"records": many}, "required": ["records"]}),
        ],
    }


def _endpoint(name: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "route": f"/v1/{name}", "batchable": False, "input": asked, "output": {"type": "object"}}


def describe(checker: Checker, lineage: Lineage) -> dict[str, Any]:
    """OpenAPI 3.1."""
    answer = _answer(checker)
    many = {"type": "array", "minItems": 1, "maxItems": RECORDS_AT_MOST, "items": _ref("Record")}
    asked = {"type": "object", "properties": {"records": many}, "required": ["records"], "additionalProperties": False}
    told = {"answers": {"type": "array", "items": {"type": "object", "properties": answer}}, "lineage": _ref("Lineage")}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"ssgan: {checker.contract.name}", "version": lineage.model},
        "paths": {
            "/v1/predict": {"post": _post("One record", {JSON: _ref("Record")}, {JSON: _ref("Answer")})},
            "/v1/predict_many": {"post": _post("Many records", {JSON: asked}, {JSON: _object(told)})},
            "/v1/predict_file": {
                "post": _post(
                    "A CSV or Parquet file, or a PNG where rows are images",
                    {kind: {"type": "string", "format": "binary"} for kind in UPLOADS},
                    {"text/csv": TEXT, "application/x-ndjson": TEXT, JSON: _ref("Answer")},
                )
            },
            "/v1/schema": {"get": _get("The columns, their types and ranges", {"type": "object"})},
            "/v1/lineage": {"get": _get("Where the answers come from", _ref("Lineage"))},
        },
        "components": {
            "schemas": {
                "Record": checker.one.json_schema(),
                "Answer": _object({**answer, "lineage": _ref("Lineage")}),
                "Lineage": _object(
                    dict.fromkeys(Lineage.model_fields, TEXT) | {"request_id": TEXT}, optional="request_id"
                ),
                "Refusal": _object({"error": TEXT, "faults": {"type": "array"}, "request_id": TEXT}),
            },
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
        "security": [{}, {"key": []}],
    }


def _answer(checker: Checker) -> dict[str, Any]:
    classes = checker.contract.classes
    two = _or_null({"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2})
    about = {
        "coverage": _or_null(NUMBER),
        "fake_probability": NUMBER,
        "unlike_training_data": YES_NO,
        "outside_training_range": {"type": "array", "items": _object({"field": TEXT, "seen": two})},
    }
    if not classes:
        return {"value": NUMBER, "interval": two, **about}
    word = {"enum": list(classes)}
    chosen = {"type": "array", "items": word}
    return {
        "label": word,
        "probabilities": _object(dict.fromkeys(classes, NUMBER)),
        "prediction_set": _or_null(chosen),
        **about,
    }


def _object(fields: dict[str, Any], optional: str = "") -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": [name for name in fields if name != optional]}


def _or_null(kind: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [kind, NULL]}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(kinds: dict[str, Any]) -> dict[str, Any]:
    return {kind: {"schema": schema} for kind, schema in kinds.items()}


def _post(summary: str, asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": _content(asked)}
    return {"summary": summary, "requestBody": body, "responses": _responses(told)}


def _get(summary: str, told: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "responses": _responses({JSON: told})}


def _responses(told: dict[str, Any]) -> dict[str, Any]:
    refused = {
        code: {"description": text, "content": _content({JSON: _ref("Refusal")})} for code, text in REFUSALS.items()
    }
    return {"200": {"description": "The answer", "content": _content(told)}, **refused}
