"""For authors of triggers: the contract that every trigger type keeps, as tests for pytest.

    class TestTickets(TriggerContract):
        kind = Tickets
        sample = Sample(answer=lambda question: 7)

The example in the docstring of the class's module is what is tested: it must be there, and right.
"""

from tidegate.kit import API
from tidegate.testing.contract import TriggerContract
from tidegate.testing.rules import measured, questions
from tidegate.testing.sheets import Sample, Sheet, page_of, sheet_of

__all__ = ["API", "Sample", "Sheet", "TriggerContract", "measured", "page_of", "questions", "sheet_of"]
