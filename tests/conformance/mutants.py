"""For every check of the kit a plugin that fails it and no other."""

from tests.conformance import mutants_api, mutants_common, mutants_faults, mutants_files, mutants_paper, mutants_results
from tests.conformance.reference import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *mutants_common.MUTANTS,
    *mutants_api.MUTANTS,
    *mutants_faults.MUTANTS,
    *mutants_files.MUTANTS,
    *mutants_results.MUTANTS,
    *mutants_paper.MUTANTS,
)
