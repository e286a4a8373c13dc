"""What people who speak another language call the tables and columns: by their names in the schema.

In: a World. Out: nouns and words that stand in a sentence of any language: names of the schema, its comments, terms of
the glossary. Names in English get the English plural; the plural of others is not known, and they stay as they are.
Left out is what would bring an English phrase along: "date of the order".
"""

from __future__ import annotations

import random
import re

from assistant.types import DatabaseSchema
from assistant.words import word_set
from assistant.writing import plural
from training.datagen.languages.reading_joins import Unread
from training.datagen.spoken import name_words, plain_name, plural_noun, split_words
from training.datagen.world import World

_FOREIGN = re.compile(
    r"kunde|bestell|rechnung|lieferant|mitarbeiter|abteilung|datum|preis|menge|anzahl|nummer|strasse|vorname|nachname"
    r"|gehalt|artikel|produkt|geburt|betrag|umsatz|verkauf|einkauf|lager|zahlung|vertrag|schueler|lehrer|buchung"
    r"|commande|produit|quantite|prenom|adresse|facture|employe[^er]|salaire|fournisseur|naissance|montant|categorie"
    r"|livraison|telephone_|cliente|pedido|producto|precio|cantidad|nombre|ciudad|direccion|factura|empleado|salario"
    r"|fecha|apellido|proveedor|importe|pago|venta|compra|categoria|nacimiento|telefono|[^\x00-\x7f]"
)
_FOREIGN_WORDS = word_set(
    "ort plz stadt land strasse wert menge prix nom ville rue pays salaire pais calle edad sueldo"
)
"""Parts and words of names in German, French and Spanish."""
_FOREIGN_SHARE = 0.15
"""Share of the columns with such a name above which a schema's names are not English."""
_BETWEEN_WORDS = word_set(
    """a an the of for by in on at to with from and or between than per is are was were be been whose which that who
    we our their its not no without last first when how"""
)
MAX_WORDS = 4


def is_english(schema: DatabaseSchema) -> bool:
    """Tell whether the names of a schema are English, as most are whatever people speak."""
    names = [column.name for table in schema.tables for column in table.columns]
    foreign = sum(bool(_FOREIGN.search(n.lower()) or _FOREIGN_WORDS.intersection(split_words(n))) for n in names)
    return foreign < _FOREIGN_SHARE * len(names)


class Names:
    """Draws names, the usual one most often."""

    def __init__(self, world: World) -> None:
        lexicon = world.lexicon
        self._is_english = is_english(lexicon.schema)
        self._rows: dict[str, list[str]] = {}
        self._row: dict[str, list[str]] = {}
        self._columns: dict[tuple[str, str], list[str]] = {}
        self._chosen: dict[object, int] = {}
        for table in lexicon.schema.tables:
            comment = _short(table.comment)
            name, spoken = plain_name(table.name), table.name in lexicon.spoken
            nouns = [noun for noun in lexicon.nouns[table.name] if _is_name(noun)]
            if self._is_english:
                self._row[table.name] = nouns or [name]
                self._rows[table.name] = [_plural(noun) for noun in nouns or [name]]
            else:
                own = [*(nouns if spoken else ()), name, *([comment] if comment else [])]
                self._row[table.name] = self._rows[table.name] = list(dict.fromkeys(own))
            for column in table.columns:
                own = lexicon.words[table.name, column.name] if self._is_english or spoken else []
                usual = name_words(column.name) if self._is_english else " ".join(split_words(column.name))
                said = [word for word in own if _is_name(word) and not word.startswith("date ")]
                said = said or [usual]
                comment = _short(column.comment)
                if comment and not self._is_english:
                    said.append(comment)
                self._columns[table.name, column.name] = list(dict.fromkeys(said))

    def start(self) -> None:
        """Begin a sentence: within one, a thing keeps its name."""
        self._chosen.clear()

    def rows(self, rng: random.Random, table: str) -> str:
        """Draw a noun for rows of a table, in the plural."""
        return self._draw(rng, table, self._rows[table])

    def row(self, rng: random.Random, table: str) -> str:
        """Draw a noun for one row."""
        return self._draw(rng, table, self._row[table])

    def column(self, rng: random.Random, table: str, column: str) -> str:
        """Draw a word for a column."""
        return self._draw(rng, (table, column), self._columns[table, column])

    def many(self, word: str) -> str:
        """Put a word for a column or a role into the plural, where that is known."""
        return _plural(word) if self._is_english else word

    def expression(self, rng: random.Random, words: tuple[str, ...]) -> str:
        """Draw a name of the glossary for an expression.

        Raises:
            Unread: All of them are English phrases.
        """
        said = [word for word in words if _is_name(word)]
        if not said:
            raise Unread
        return self._draw(rng, words, said)

    def _draw(self, rng: random.Random, thing: object, words: list[str]) -> str:
        if thing not in self._chosen:
            self._chosen[thing] = rng.choices(range(len(words)), [len(words) + 1] + [1] * (len(words) - 1))[0]
        return words[self._chosen[thing]]


def _is_name(text: str) -> bool:
    """Tell whether a text is a name and not a phrase in English."""
    words = re.findall(r"[^\W\d]+", text.casefold())
    return 0 < len(words) <= MAX_WORDS and (len(words) == 1 or _BETWEEN_WORDS.isdisjoint(words))


def _plural(noun: str) -> str:
    """Put an English noun into the plural; what has a capital or an accent in it is taken as it is."""
    return plural_noun(noun) if noun.isascii() and noun == noun.lower() else plural(noun) if noun.isupper() else noun


def _short(comment: str) -> str:
    """Take the first part of a comment as a name, as it is written, where it is short enough."""
    first = re.split(r"[.,;:(\n]", comment.strip(), maxsplit=1)[0].strip()
    words = first.split()
    return first if 0 < len(words) <= 3 and all(word.isalpha() for word in words) else ""
