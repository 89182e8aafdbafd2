"""The contract with ai-edge-litert: its generated schema has all that edgekit writes."""

import inspect
import re
from pathlib import Path

import pytest

from edgekit.convert import schema
from edgekit.convert.versions import VERSIONS

PACKAGE = Path(schema.__file__).parent


@pytest.mark.parametrize("kind", schema.OPTIONS)
def test_an_options_table_has_the_fields_that_are_set(kind: str) -> None:
    table = getattr(schema.generated, f"{kind}OptionsT")()
    assert set(schema.OPTIONS[kind]) <= set(vars(table))
    assert getattr(schema.generated.BuiltinOptions, f"{kind}Options") > 0


@pytest.mark.parametrize("code", VERSIONS)
def test_an_operator_that_is_written_has_a_code(code: str) -> None:
    assert schema.operator_code(code) >= 0


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        ("ModelT", "version description subgraphs operatorCodes signatureDefs metadata buffers"),
        ("SubGraphT", "name tensors operators inputs outputs"),
        ("TensorT", "name shape hasRank type buffer quantization"),
        ("OperatorT", "opcodeIndex inputs outputs builtinOptionsType builtinOptions"),
        ("OperatorCodeT", "builtinCode deprecatedBuiltinCode version"),
        ("QuantizationParametersT", "scale zeroPoint quantizedDimension"),
        ("SignatureDefT", "signatureKey inputs outputs"),
        ("TensorMapT", "name tensorIndex"),
        ("MetadataT", "name buffer"),
        ("AlignedBufferT", "data"),
    ],
)
def test_a_table_has_the_fields_that_are_set(table: str, fields: str) -> None:
    assert set(fields.split()) <= set(vars(getattr(schema, table)()))


def test_names_of_enumerations_are_there() -> None:
    assert {schema.activation(name) for name in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")}
    assert schema.padding("SAME") != schema.padding("VALID")
    assert schema.mirror_mode("REFLECT") == 0
    assert len({schema.tensor_type(dtype) for dtype in schema.DTYPES}) == len(schema.DTYPES)


def test_an_option_that_is_not_in_the_contract_is_refused() -> None:
    with pytest.raises(ValueError, match="OPTIONS does not list"):
        schema.options("Softmax", gamma=1.0)


def test_one_module_alone_imports_the_schema() -> None:
    imports = re.compile(r"^\s*(from|import) .*(schema_py_generated|flatbuffers)", re.MULTILINE)
    found = [path.name for path in PACKAGE.rglob("*.py") if imports.search(path.read_text())]
    assert found == [Path(inspect.getfile(schema)).name]
