"""Where masked columns come out again, and what a query may do with them.

In: the names that `names` finds the meaning of, clause by clause. Out: nothing, or `Refused`. A name behind which there
is a masked column is a `Masked` text, under whatever alias. Such a column may be shown (its cells are covered later),
counted and asked for NULL, and nothing else, for whatever sorts, groups, compares or computes with a value tells of it.

Finds no meaning of a name, and covers no cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlglot import exp

from assistant.spelling import Refused

# What may stand between ORDER BY or GROUP BY and a number that is the place of a result column.
_AROUND_PLACES = (
    exp.Order, exp.Ordered, exp.Group, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Distinct, exp.Tuple, exp.Paren,
    exp.Collate, exp.Neg,
)  # fmt: skip
_HINT = "Show the column as it is, count it, or test it for NULL; sort, group and join by another column."


class Masked(str):
    """The name of a column whose values nobody may see, under whatever alias."""


class Lineage:
    """Which columns of one tree mean a masked column."""

    def __init__(self) -> None:
        self._masked: set[int] = set()

    def use(self, node: exp.Column, meant: str) -> None:
        """Note what a column means, and see to it that a masked one stands where it tells nothing.

        Raises:
            Refused: It would tell something.
        """
        if not isinstance(meant, Masked):
            return
        self._masked.add(id(node))
        item = node.parent if isinstance(node.parent, exp.Alias) else node
        is_shown = isinstance(item.parent, exp.Select) and item.arg_key == "expressions"
        is_null_test = (
            isinstance(node.parent, exp.Is) and node.arg_key == "this" and isinstance(node.parent.expression, exp.Null)
        )
        if not (is_shown or is_null_test or is_counted(node)):
            raise reveals(meant)

    def tagged(self, name: str, item: exp.Expr) -> str:
        """Return the name of a result column, so that it is known when a masked column is behind it."""
        return Masked(name) if id(item.unalias()) in self._masked else name


def refuse_masked(names: Iterable[str]) -> None:
    """Refuse to use any of these columns if it is masked."""
    for name in names:
        if isinstance(name, Masked):
            raise reveals(name)


def refuse_set(node: exp.SetOperation, left: Sequence[str], right: Sequence[str]) -> None:
    """Refuse a UNION that compares rows with masked values, or puts others beneath them."""
    masked = [[isinstance(name, Masked) for name in side] for side in (left, right)]
    if not any(map(any, masked)):
        return
    if not isinstance(node, exp.Union) or node.args.get("distinct") or masked[0] != masked[1]:
        refuse_masked((*left, *right))


def refuse_places(clause: exp.Expr | None, outputs: Sequence[str]) -> None:
    """Refuse to sort or group by the place of a masked column."""
    for number in clause.find_all(exp.Literal) if clause is not None else ():
        around = number.parent
        while around is not clause and isinstance(around, _AROUND_PLACES):
            around = around.parent
        if around is clause and number.is_int and 1 <= int(number.name) <= len(outputs):
            refuse_masked([outputs[int(number.name) - 1]])


def renamed(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Give the first columns other names; what is masked stays so."""
    new = [Masked(name) if isinstance(column, Masked) else name for name, column in zip(names, columns, strict=False)]
    return [*new, *names[len(new) :], *columns[len(names) :]]


def is_counted(node: exp.Expr) -> bool:
    """Tell whether a column stands in COUNT(...) or COUNT(DISTINCT ...) and in nothing else."""
    call = node.parent.parent if isinstance(node.parent, exp.Distinct) else node.parent
    return isinstance(call, exp.Anonymous) and call.name.lower() == "count"


def reveals(name: str) -> Refused:
    """Make the refusal of a query that would tell something of a masked column."""
    return Refused("masked-column", f"'{name}' is masked, and this would tell something of its values.", _HINT)
