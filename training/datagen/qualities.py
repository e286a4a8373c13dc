"""What people associate with a column by the words of its name: prices are cheap or expensive, durations short or long.

In: a Lexicon, and the name of a table or column. Out: the name of a quality (whose words are in `adjectives.toml`), the
money of a table, what a text says of its rows, what was done to what is pointed at. Says nothing where two columns of
a table could be meant, or where the name has a word that changes the meaning. Draws nothing and knows no data.
"""

from __future__ import annotations

from assistant.words import word_set
from training.datagen.lexicon import PEOPLE, Key, Lexicon, Relation
from training.datagen.spoken import name_words

_HEADS = {
    "price": word_set("price cost costs fare"),
    "pay": word_set("salary wage wages pay earnings"),
    "stock": word_set("stock inventory hand"),
    "age": word_set("age"),
    "year": word_set("year"),
    "length": word_set("duration length runtime"),
    "weight": word_set("weight"),
    "height": word_set("height"),
    "size": word_set("size area capacity population"),
    "distance": word_set("distance mileage"),
    "speed": word_set("speed"),
    "rating": word_set("rating stars"),
    "amount": word_set("amount total sum"),
}
"""What a column measures, by a word of its name; the first that fits counts."""
_RIVALS = (
    {"price", "amount", "size"}, {"length", "distance", "height"}, {"age", "year"}, {"pay"}, {"stock"}, {"weight"},
    {"speed"}, {"rating"},
)  # fmt: skip
"""Qualities that share adjectives: in one table, "the largest" must mean one column."""
_UNITS = word_set("minutes hours seconds days kg kilograms km kilometres miles cm metres meters")
"""Units in names of columns that people say beside a number."""
_FILLERS = _UNITS | word_set(
    "amount quantity value unit units list standard retail net gross total average on in of level g m mm lb eur euro"
    " euros usd dollars chf gbp yearly annual monthly release released publication published model built"
)
"""Words beside it that leave its meaning as it is,"""
_AMOUNT_FILLERS = word_set("net gross value eur euro euros usd dollars chf gbp")
"""and beside an amount, of which there are many kinds."""
_TIMES = word_set("hours minutes seconds days")
"""A column with no other name than these is a duration."""

_MONEY = word_set(
    """price cost costs fare fee fees amount total sum salary wage wages revenue turnover sales paid payment charge
    budget balance tax discount bonus tip income expenses premium"""
)
_SPENT = word_set("cost costs expense expenses spending")
_RECEIVED = word_set("payment receipt income donation deposit")
_PAYEES = word_set("supplier vendor employee staff contractor")
"""To whom we pay: their payments are none that came in."""
_NO_MONEY = word_set("hours minutes seconds days units count number percent rate quantity points weight")

_KINDS = word_set(
    """status type kind category class state method level channel priority mode severity genre gender sex color colour
    outcome stage tier condition plan phase"""
)
"""Names of columns whose values say what kind of rows they are: "open invoices"."""
_ROLES = word_set("role job position profession occupation function")
"""The same of people: values that are nouns, such as "surgeon"."""
_PERSON_ENDINGS = ("er", "or", "ist", "ant", "ian", "man", "ee", "eon", "rse", "erk", "ef", "ot", "ern", "dent")
_PLACES = word_set("city country region town province canton nation county")
_MEANS = word_set("method channel")
_STREETS = word_set("of name home")
WORKERS = word_set("employee staff worker doctor nurse technician engineer agent clerk teacher instructor developer")
"""Nouns of people who work where they belong to."""

_DONE_TO_THINGS = {
    "prescription": "prescribed", "order": "ordered", "sale": "sold", "purchase": "purchased", "rental": "rented",
    "booking": "booked", "reservation": "reserved", "loan": "borrowed", "download": "downloaded", "repair": "repaired",
    "inspection": "inspected", "return": "returned", "screening": "shown", "performance": "performed",
}  # fmt: skip
_DONE_TO_PEOPLE = {
    "admission": "admitted", "examination": "examined", "vaccination": "vaccinated", "treatment": "treated",
}  # fmt: skip
_DONE_TO_EVENTS = {
    "invoice": "invoiced", "payment": "paid", "shipment": "shipped", "delivery": "delivered", "transfer": "transferred",
}  # fmt: skip
"""What a row of a table says was done to what it points at: to a thing with a name, a person, or an event."""
_PARTS = word_set("item line detail position entry record log")


def find_quality(lexicon: Lexicon, table: str, column: str) -> str:
    """Name what a column of numbers measures, where the adjectives of that can mean no other column; else empty."""
    key = table, column
    if key not in lexicon.qualities:
        lexicon.qualities[key] = _find_quality(lexicon, key)
    return lexicon.qualities[key]


def _find_quality(lexicon: Lexicon, key: Key) -> str:
    table, column = key
    found = _read_quality(lexicon, table, column)
    if not found or (found == "amount" and table in lexicon.spoken):
        return ""
    is_of_people = lexicon.names_people(table) or lexicon.nouns[table][0] in WORKERS
    if (found == "pay" and not is_of_people) or (found == "length" and is_of_people):
        return ""
    rivals = next(group for group in _RIVALS if found in group)
    heads = frozenset(word for rival in rivals for word in _HEADS[rival])
    for other in lexicon.table(table).columns:
        words = set(name_words(other.name).split())
        is_number = other.kind in ("integer", "float") and not lexicon.is_key(table, other.name)
        if other.name == column:
            continue
        if is_number and (words & heads or _read_quality(lexicon, table, other.name) in rivals):
            return ""
        if found in ("age", "year") and other.kind in ("date", "datetime"):
            return ""
    return found


def _read_quality(lexicon: Lexicon, table: str, column: str) -> str:
    """Name what a column measures by its name alone."""
    noun = {word for said in lexicon.nouns[table][:1] for word in said.split()}
    words = set(name_words(column).split()) - noun
    for name, heads in _HEADS.items():
        fillers = _AMOUNT_FILLERS | _HEADS[name] if name == "amount" else _FILLERS
        if words & heads and words <= heads | fillers:
            return name
    return "length" if words and words <= _TIMES | {"total"} and words & _TIMES else ""


def find_unit_word(lexicon: Lexicon, table: str, column: str) -> str:
    """Give the unit that people say beside a number of a column: its comment's, else that in its name; or empty."""
    if unit := lexicon.units.get((table, column)):
        return unit
    return next((word for word in name_words(column).split() if word in _UNITS), "")


def find_money(lexicon: Lexicon, table: str) -> tuple[str, str]:
    """Find the one column of a table with money to be added up, and its kind: money, spent, received; or empty."""
    columns = []
    for column in lexicon.table(table).columns:
        words = set(name_words(column.name).split())
        if column.kind not in ("integer", "float") or lexicon.is_key(table, column.name):
            continue
        if words & _MONEY and not words & _NO_MONEY:
            columns.append((column.name, words))
    if len(columns) != 1 or table in lexicon.spoken:
        return "", ""
    name, words = columns[0]
    noun = set(lexicon.nouns[table][0].split())
    partners = {lexicon.nouns[relation.target][0] for relation in lexicon.relations.get(table, [])}
    if words & word_set("price unit standard average balance budget rate minimum maximum limit tax discount"):
        return "", ""  # what is not added up, or is no money that anybody has or pays
    if words & word_set("salary wage wages"):
        return "", ""
    if (words | noun) & _SPENT:
        return name, "spent"
    return name, "received" if noun & _RECEIVED and not partners & _PAYEES else "money"


def find_value_class(lexicon: Lexicon, table: str, column: str) -> str:
    """Name what a text says of the rows: a role, a kind, a place, or by what means something is done; else empty."""
    noun = set(lexicon.nouns[table][0].split())
    words = name_words(column).split()
    is_of_people = lexicon.names_people(table) or bool(noun & WORKERS)
    if is_of_people and (words[-1] in _ROLES or words == ["job", "title"]):
        return "role"
    if words[-1] in _PLACES and set(words) <= _PLACES | _STREETS | noun:
        return "home" if is_of_people else "place"
    if words[-1] in _MEANS:
        if "payment" in words or "payment" in noun:
            return "payment"
        if set(words) <= _MEANS | noun | {"sales", "order"}:
            return "channel" if words[-1] == "channel" else "kind"
    return "kind" if words[-1] in _KINDS and set(words[:-1]) <= noun else ""


def is_person_noun(value: str) -> bool:
    """Tell whether a value, such as "surgeon", is what one person is called."""
    words = value.split()
    is_plain = 0 < len(words) <= 3 and all(word.isascii() and word.isalpha() and len(word) > 2 for word in words)
    return is_plain and (value.islower() or value.istitle()) and words[-1].lower().endswith(_PERSON_ENDINGS)


def find_done(lexicon: Lexicon, relation: Relation) -> str:
    """Say what rows do to what they point at: `prescription` to `drug`, "prescribed"; empty where that is unclear."""
    if relation.table in lexicon.spoken or relation.is_role or not relation.child_columns:
        return ""
    parts = [part for part in lexicon.nouns[relation.table][0].split() if part not in _PARTS]
    noun = parts[0] if len(parts) == 1 else ""
    for verbs, suits in (
        (_DONE_TO_THINGS, "thing"), (_DONE_TO_PEOPLE, "person"), (_DONE_TO_EVENTS, "event"),
    ):  # fmt: skip
        if noun in verbs and _find_class(lexicon, relation.target) == suits:
            others = [r for r in lexicon.relations[relation.table] if not r.is_role and r.child_columns]
            alike = [r for r in others if _find_class(lexicon, r.target) == suits]
            columns = lexicon.table(relation.target).columns
            names = {word for column in columns for word in name_words(column.name).split()}
            target = set(lexicon.nouns[relation.target][0].split())
            if alike == [relation] and verbs[noun] not in names and noun not in target:
                return verbs[noun]
    return ""


def _find_class(lexicon: Lexicon, table: str) -> str:
    """Tell whether the rows of a table are people, events (dated and without a name), or things with a name."""
    noun = lexicon.nouns[table][0].split()[-1]
    if lexicon.names_people(table) or noun in PEOPLE | WORKERS:
        return "person"
    if table not in lexicon.labels:
        is_dated = any(column.kind in ("date", "datetime") for column in lexicon.table(table).columns)
        return "event" if is_dated else ""
    return "" if noun in _PLACES | word_set("ward department store shop branch office room site location") else "thing"
