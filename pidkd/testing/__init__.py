"""Contracts of plug-ins, as checks that a package runs in its own tests."""

from pidkd.testing.check import Check
from pidkd.testing.formats import check_format
from pidkd.testing.mi import mi_contract_checks
from pidkd.testing.parameters import check_parameters
from pidkd.testing.pid import check_estimator, contract_checks

__all__ = ["Check", "check_estimator", "check_format", "check_parameters", "contract_checks", "mi_contract_checks"]
