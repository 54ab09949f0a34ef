"""The API reference of a service as a plain page: it needs no script, and nothing from the internet."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

_STYLE = """body{font:15px/1.5 "Noto Sans SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif;max-width:64rem;
margin:2rem auto;padding:0 1rem;color:#222;background:#fafafa}a{color:#1F5FA8}summary{cursor:pointer;padding:.3rem 0}
details{border-bottom:1px solid #ddd}pre{background:#fff;border:1px solid #ddd;padding:.6rem;overflow:auto}
code{font-family:ui-monospace,Consolas,monospace}td{padding:.1rem .8rem .1rem 0;vertical-align:top}"""
# Where the scripts of Swagger UI cannot be had, the plain page takes its place.
_OTHERWISE = """<script>
addEventListener("error", e => e.target.tagName === "SCRIPT" && location.replace("reference"), true)
</script><noscript><meta http-equiv="refresh" content="0;url=reference"></noscript>"""


def add_docs(app: FastAPI) -> None:
    """`/docs`: Swagger UI, from the internet; `/reference`: the same without it. The app has no docs of its own."""

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        base = request.scope.get("root_path", "")
        made = get_swagger_ui_html(openapi_url=f"{base}/openapi.json", title=app.title, swagger_favicon_url="data:,")
        return HTMLResponse(bytes(made.body).decode().replace("<head>", f"<head>{_OTHERWISE}", 1))

    @app.get("/reference", include_in_schema=False)
    async def reference() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))


def page(document: Mapping[str, Any]) -> str:
    """An OpenAPI document as HTML."""
    schemas = document.get("components", {}).get("schemas", {})
    parts = [
        _operation(method.upper(), path, operation, schemas)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    title = html.escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"</head><body><h1>{title}</h1>{''.join(parts)}</body></html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(each['name'])}</code></td><td>{each['in']}{', required' * each['required']}</td>"
        f"<td>{html.escape(each.get('description', ''))}</td></tr>"
        for each in operation.get("parameters", ())
    )
    bodies = [("request", operation["requestBody"])] if "requestBody" in operation else []
    bodies += list(operation["responses"].items())
    return (
        f"<details><summary><code><b>{method}</b> {html.escape(path)}</code> {html.escape(operation['summary'])}"
        f"</summary><table>{rows}</table>{''.join(_bodies(bodies, schemas))}</details>"
    )


def _bodies(bodies: list[tuple[str, Mapping[str, Any]]], schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, body in bodies:
        said = html.escape(body.get("description", ""))
        for media, content in body.get("content", {}).items():
            shown = ""
            if media == "application/json":
                text = json.dumps(example(content.get("schema", {}), schemas), ensure_ascii=False, indent=1)
                shown = f"<pre>{html.escape(text)}</pre>"
            yield f"<p><b>{name}</b> {said} <code>{media}</code></p>{shown}"


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], seen: tuple[str, ...] = ()) -> Any:
    """What a value of a schema looks like: its own example, else one made of the examples of its parts."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return None if name in seen else example(schemas[name], schemas, (*seen, name))
    if schema.get("examples"):
        return schema["examples"][0]
    if "default" in schema or "const" in schema:
        return schema.get("default", schema.get("const"))
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return example(schema[choice][0], schemas, seen)
    if "properties" in schema:
        return {name: example(each, schemas, seen) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example(schema.get("items", {}), schemas, seen)]
    return schema["enum"][0] if "enum" in schema else schema.get("format") or schema.get("type")
