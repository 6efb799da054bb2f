"""The registry of training methods: complete, and equal to the values that the configuration allows."""

from typing import get_args

import pytest
from pydantic import ValidationError
from tests.constants import ROOT

from seodang.config import TrainParams
from seodang.errors import ModelError
from seodang.models.methods import METHODS, get_method

ALL = sorted(METHODS)


def test_the_registry_has_the_methods_of_the_configuration_in_their_order():
    assert tuple(METHODS) == get_args(TrainParams.model_fields["method"].annotation)


@pytest.mark.parametrize("name", ALL)
def test_a_method_is_registered_under_its_name_and_found_by_the_parameters(name, build_train_params):
    assert METHODS[name].name == name
    assert get_method(build_train_params(method=name)) is METHODS[name]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("page", ["models.md", "models.ko.md"])
def test_a_method_has_a_line_in_the_documentation(page, name):
    assert f"\n| `{name}` |" in (ROOT / "docs" / page).read_text("utf-8")


@pytest.mark.parametrize("name", ALL)
def test_a_method_cannot_load_in_4_bits_and_train_all_weights(name):
    method = METHODS[name]
    assert not (method.loads_in_4bit and method.trains_all_weights)
    assert method.has_adapter or not (method.lora_options or method.has_lora_kernel)
    assert (method.linear_weight_bytes is None) is not method.loads_in_4bit
    assert (method.package is not None) is method.loads_in_4bit


@pytest.mark.parametrize("name", ALL)
def test_the_configuration_allows_sharding_where_the_method_does(name, build_train_params):
    def build() -> TrainParams:
        return build_train_params(method=name, sharding="fsdp", processes=2)

    if METHODS[name].can_shard:
        assert build().sharding == "fsdp"
    else:
        with pytest.raises(ValidationError, match="cannot be sharded"):
            build()


@pytest.mark.parametrize("name", ALL)
def test_a_missing_package_is_an_error_with_the_command_that_installs_it(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    package = METHODS[name].package
    if package is None:
        METHODS[name].check_package()
    else:
        with pytest.raises(ModelError, match=rf"needs {package}.*make {name}"):
            METHODS[name].check_package()
