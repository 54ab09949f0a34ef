"""The check of event contracts refuses what readers of an older release could not read."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto

from tools.check_proto import Contracts, add_enum, add_message, incompatible


def contracts(message: str, enum: str = 'name: "Kind" value { name: "A" number: 0 }') -> Contracts:
    """Contracts with one message and one enumeration, given in the text format of descriptors."""
    made: Contracts = {}
    add_message(made, "m.M", text_format.Parse(message, DescriptorProto()))
    add_enum(made, "m.Kind", text_format.Parse(enum, EnumDescriptorProto()))
    return made


NO = 'field { name: "no" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }'
QTY = 'field { name: "qty" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }'
WAS = contracts(f"{NO} {QTY}")


@pytest.mark.parametrize(
    "now",
    [
        f"{NO} {QTY}",
        f"{NO} {QTY} field {{ name: 'more' number: 3 type: TYPE_INT32 label: LABEL_OPTIONAL }}",
        f"{NO} reserved_range {{ start: 2 end: 3 }} reserved_name: 'qty'",
        f"{NO} {QTY} nested_type {{ name: 'Inner' }}",
    ],
)
def test_what_only_grows_is_compatible(now: str) -> None:
    assert incompatible(WAS, contracts(now)) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (NO, "is gone"),
        (f"{NO} reserved_range {{ start: 2 end: 3 }}", "name"),
        (f"{NO} {QTY.replace('TYPE_STRING', 'TYPE_INT64')}", "was"),
        (f"{NO} {QTY.replace('LABEL_OPTIONAL', 'LABEL_REPEATED')}", "was"),
        (f"{NO} {QTY.replace('qty', 'amount')}", "was"),
        (f"{NO} {QTY.replace('number: 2', 'number: 3')}", "is gone"),
        (f"oneof_decl {{ name: 'o' }} {NO} {QTY.replace('label', 'oneof_index: 0 label')}", "was"),
        (f"oneof_decl {{ name: '_qty' }} {NO} {QTY.replace('label', 'oneof_index: 0 proto3_optional: true label')}",
         "was"),
        (f"{NO} {QTY}"[:-1] + "json_name: 'Qty' }", "was"),
    ],
)  # fmt: skip
def test_what_changes_a_field_is_not(now: str, said: str) -> None:
    (wrong,) = incompatible(WAS, contracts(now))
    assert said in wrong


def test_a_message_must_stay() -> None:
    assert incompatible(WAS, {name: fields for name, fields in WAS.items() if name != "m.M"}) == ["m.M is gone"]


@pytest.mark.parametrize(
    "now",
    ['name: "Kind" value { name: "B" number: 0 }', 'name: "Kind" value { name: "A" number: 1 }', 'name: "Kind"'],
)
def test_a_value_of_an_enumeration_must_stay(now: str) -> None:
    assert incompatible(WAS, contracts(f"{NO} {QTY}", now))


def test_a_reserved_number_is_not_used_again() -> None:
    was = contracts(f"{NO} reserved_range {{ start: 2 end: 3 }} reserved_name: 'old'")
    assert incompatible(was, contracts(f"{NO} {QTY}"))
