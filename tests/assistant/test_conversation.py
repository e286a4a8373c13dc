"""A follow-up keeps its history, a new subject starts afresh."""

import pytest

from assistant.conversation import is_follow_up, relevant_history
from assistant.database import Database
from assistant.types import Question, Turn

TURN = Turn(question="Revenue in 2025?", sql="SELECT 1")


@pytest.mark.parametrize(
    "text",
    [
        "And in 2024?",
        "only the ones from Italy",
        "Now by margin",
        "the same per channel",
        "What about refunds?",
        "how many?",
        "How many are there?",
        "Which of them are open?",
        "Sort them by date",
        "Show their cities",
        "by channel",
        "per month, please",
        "Thanks! And for phones?",
        "Sorry, I meant Spain",
        "What did they order?",
        "Which ones were returned?",
        "top 3 only",
        "Who are they?",
        "When did she sign up?",
    ],
)
def test_text_that_leans_on_the_turn_before_is_a_follow_up(text: str, shop_db: Database) -> None:
    assert is_follow_up(text, shop_db.schema())


@pytest.mark.parametrize(
    "text",
    [
        "How many customers do we have?",
        "Customers without an email",
        "In which cities do our customers live?",
        "For each source, how many customers are there?",
        "List the customers with their cities",
        "Which products have no orders, and what do they cost?",
        "Show all categories with the number of products, also those with none",
        "Please delete all customers",
        "What will the weather be like tomorrow?",
        "revenue by month",
        "number of orders",
        "How many orders are there?",
        "Thank you. Which employee earns most?",
        "top 5 products by revenue in 2025",
    ],
)
def test_text_that_stands_by_itself_is_none(text: str, shop_db: Database) -> None:
    assert not is_follow_up(text, shop_db.schema())


def test_a_new_subject_starts_without_history(shop_db: Database) -> None:
    schema = shop_db.schema()
    fresh = Question(text="How many employees are there?", history=(TURN,))
    assert relevant_history(fresh, schema) == ()
    assert relevant_history(Question(text="and in 2024?", history=(TURN,)), schema) == (TURN,)
    assert relevant_history(Question(text="and in 2024?"), schema) == ()
