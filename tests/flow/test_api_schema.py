"""The API against its own document, with inputs nobody would think of."""

from __future__ import annotations

import pytest
import schemathesis
from api_rig import ADMIN_TOKEN, ENVIRONMENT, Served
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from hookline.admin.openapi import document
from hookline.admin.operations import OPERATIONS

pytestmark = pytest.mark.slow

schema = schemathesis.openapi.from_dict(document(OPERATIONS.values(), "test"))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "HOOKLINE_ADMIN_TOKEN": ADMIN_TOKEN}.items():
            patch.setenv(name, value)
        with Served(tmp_path_factory.mktemp("schema")).running() as running:
            yield running


@schema.exclude(operation_id="follow_events").parametrize()  # a stream does not end
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_no_input_gets_an_answer_that_the_document_does_not_know(case, served):
    response = case.call(base_url=served.url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    case.validate_response(response, checks=checks)
