"""Read from the wording alone what no query can answer: orders to act, attempts to steer the model, talk, opinions.

In: the text of a question and whether it goes on from an earlier one. Out: the reason to decline it, or nothing.
English only, by rules, and on the safe side: what is not recognised goes on to the model, and the guard still lets only
reading queries through. Knows no schema; what a database does or does not hold is the subject of `scope`.

Covers: writes in the imperative ("cancel order 12", "the price should now be 5"), SQL that writes, system tables and
passwords, "ignore your instructions", chat markers, greetings, predictions, advice, opinions, general knowledge.
Does not cover: orders in other languages, or hidden in a story.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

Declined = Literal["refused", "unanswerable"]


class Wording(NamedTuple):
    """Why a wording is declined."""

    kind: Declined
    reason: str
    """A sentence for the person."""
    about: str = ""
    """Words that a schema might hold after all; empty where it cannot matter."""


WRITES = "That asks me to change something."
STEERS = "That is about my instructions, not about the data."
INTERNALS = "That is about the database system or its secrets, not about the data."

_REASONS: dict[str, Wording] = {
    "talk": Wording("unanswerable", "I only answer questions about the data."),
    "future": Wording("unanswerable", "The database holds what has happened, not what will happen."),
    "opinion": Wording("unanswerable", "The database holds facts, not opinions."),
    "advice": Wording("unanswerable", "I can show facts, but give no advice."),
    "why": Wording("unanswerable", "The database holds what happened, not why."),
    "knowledge": Wording("unanswerable", "That is general knowledge, which is not in the database."),
    "task": Wording("unanswerable", "I only answer questions about the data."),
}

_NOUNS_AFTER = (
    "dates?|times?|timestamps?|rates?|ratios?|status|counts?|history|reasons?|numbers?|flags?|logs?|policy|policies|"
    "columns?|fields?|frequency|requests?|of|in|on|at|per|by|from|between|over|since|versus|vs|and|or|papers?"
)
_NOT_A_NOUN = rf"(?![-\w])(?!\W*(?:$|(?:{_NOUNS_AFTER})\b))"
_OBJECT = (
    r"\s+(?:(?:the|all|every|each|this|that|these|those|them|it|my|our|his|her|their|a|an|any|another|new|everyone|"
    r"everybody|everything|him|for)\b(?!\s+of\b)|(?:[\w-]+\s+){0,2}(?:number\s+|no\.?\s*)?#?\d+\b)"
)
_STRONG = re.compile(
    rf"(?:delete|erase|truncate|purge|wipe|obliterate|destroy|overwrite|cancel|insert|revoke){_NOT_A_NOUN}"
    r"|drop\s+(?:(?:the|all|every)\s+)?(?:[\w-]+\s+)?(?:tables?|databases?|schemas?|ind(?:ex|exes|ices)|views?|users?)\b"
    r"|drop\s+(?:everything|all)\b",
    re.IGNORECASE,
)
"""Verbs that only ever mean a change, in a follow-up too."""
_WEAK = re.compile(
    rf"(?:remove|update|alter|rename|modify|edit|amend|correct|fix|change|replace|swap|merge|import|upload|deactivate|"
    rf"reactivate|activate|disable|enable|promote|demote|hire|dismiss|discharge|prescribe|enroll?|unsubscribe|subscribe|"
    rf"reschedule|reassign|undo|revert|roll back|restore|archive|unassign|reopen|approve|grant|register|"
    rf"drop|get rid of){_NOT_A_NOUN}"
    r"|add\s+(?:an?|another|(?:one|\d+)\s+(?:more|new)|new)\b|add\s+.{1,60}?\b(?:to|as|into|called|named)\b"
    r"|set\s+.{1,60}?(?:\bto\b|=)"
    r"|(?:assign|move|transfer|convert|migrate)\s+(?!(?:dates?|reasons?|times?|types?)\b).{1,60}?\bto\b"
    r"|create\s+(?!.{0,30}\b(?:list|report|chart|graph|plot|overview|summary|ranking|breakdown|comparison|pivot|"
    r"histogram|statistics?|diagram|query|table\s+(?:of|with|that|showing|by|for\s+each|comparing))\b)\w"
    r"|apply\s+.{1,60}?\bto\s+(?:the|all|every|each)\b"
    r"|(?:mark|flag|tag|label)\s+.{1,60}?\bas\b"
    r"|(?:make|declare)\s+.{1,60}\b(?:active|inactive|cancelled|canceled|closed|open|done|paid|shipped|delivered|"
    r"available|unavailable|primary|admin|administrator|managers?|public|private|vip|free|void)\W*$"
    r"|(?:increase|decrease|raise|lower|reduce|double|halve|triple|cut|boost|bump)(?:\s+up)?"
    r"\s+(?:the|all|every|each|our|my|his|her|their|everyone|everybody|\w+['’]s)\b"
    r"|give\s+(?:(?:all|each|every|the|our)\s+(?:\w+\s+)?\w+|everyone|everybody|(?!(?:me|us|the|all|each|every|our|an?)\b)\w+(?:\s+\d+)?)"
    r"\s+(?:an?|another|\d+\s*(?:%|percent)|more|write|full\s+access|admin)\b"
    r"|(?:close|open|resolve|reject|refund|ship|block|unblock|ban|fire|book|schedule|reserve|pay|charge|invoice|bill|"
    rf"save|store|back\s?up|reset|lock|unlock|duplicate|admit|empty|clear|sign|submit|notify|e-?mail|send){_OBJECT}"
    r"|(?:send|write|forward)\s+(?:(?:me|us|him|her|them)\s+)?(?:an?|the)\s+(?:e-?mail|mail|message|text|sms|letter|invoice|reminder)\b"
    r"|put\s+.{1,60}?\bon\s+(?:hold|sale)\b|write\s+off\s+\w+|write\s+.{1,40}?\binto\b|undo\b|make\s+a\s+backup\b",
    re.IGNORECASE,
)
"""Verbs that change data, or, in a follow-up such as "remove the cancelled ones", the last answer."""

_CLAUSE = re.compile(r"[.;!?\n:]+\s*|,\s*|\s+(?:and\s+then|then|and\s+also|and|also|afterwards|or)\s+", re.IGNORECASE)
_POLITE = re.compile(
    r"^(?:(?:please|pls|kindly|just|now|also|and|then|ok(?:ay)?|hey|hi|hello|immediately|quickly|simply|so|execute|run|"
    r"sql|first|next|finally|go ahead and|go and|make sure to|be sure to|try to|help me(?: to)?|"
    r"let['’]?s|let us|(?:can|could|would|will|may|might) (?:you|i|we)|"
    r"(?:you|we|i) (?:must|should|have to|need to|shall|want to|wish to)|"
    r"i(?:['’]d| would) like (?:you )?to|i (?:want|need|ask|order|command|tell) you to|"
    r"is it possible to|would you mind|(?:please )?tell me|do you(?: happen to)? know|do)\b[\s,:'\"“-]*)+",
    re.IGNORECASE,
)
_WRITES_ANYWHERE = re.compile(
    r"\bdelete\s+from\b|\binsert\s+into\b|\bupdate\s+[\w.\"`]+\s+set\b|\bdrop\s+(?:table|database|schema|view|index)\b"
    r"|\balter\s+(?:table|user|database)\b|\btruncate\s+(?:table\b|\w+\s*(?:;|$))|\bgrant\s+\w+\s+on\b|\battach\s+database\b|\bpragma\s+\w+"
    r"|\bshould\s+(?:now|henceforth|from now on)\s+(?:be|read|say)\b|"
    r"\bshould be (?:set|changed|updated|deleted|removed)\b"
    r"|^(?!.*\?)[^?]*\bshould be [\d'\"]",
    re.IGNORECASE,
)
_STEERS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|neglect)\s+(?:(?:all|any|every|each|of|the|your|my|these|those|"
    r"previous|prior|above|earlier|preceding|system|safety|former)\s+){1,5}"
    r"(?:instructions?|rules?|prompts?|guidelines|restrictions?|directives?|constraints?|training|orders\s+above)\b"
    r"|\b(?:ignore|disregard|forget) (?:everything|all|anything) (?:above|before|you were told|you know)\b"
    r"|\b(?:your|the|hidden|initial|original|full|entire)\s+(?:system|hidden|initial|original|secret)\s+"
    r"(?:prompt|instructions?|message)\b"
    r"|\b(?:print|show|reveal|repeat|display|output|tell|give|dump|leak|what(?:['’]s| is| are| were))\b.{0,20}"
    r"\byour\s+(?:\w+\s+)?(?:prompt|instructions|rules|guidelines|system message|training data)\b"
    r"|\byou are now\b|\bpretend\s+(?:that\s+|to\s+be\b|you\b|there\b)|\bdeveloper mode\b|\bjail ?break|\bDAN mode\b"
    r"|\bwithout (?:any )?(?:restrictions|limits|rules)\b.*\byou\b"
    r"|<\|\w+\|>|\[/?INST\]|<</?SYS>>|^\s*#+\s*(?:system|instruction)\b",
    re.IGNORECASE | re.MULTILINE,
)
_INTERNALS = re.compile(
    r"\bsqlite_(?:master|schema|temp|sequence)\w*|\binformation_schema\b|\bpg_(?:catalog|shadow|user|authid|roles|"
    r"read_file|sleep)\b|\bmysql\.user\b|\bload_extension\b|\bsys\.(?:objects|tables|databases)\b|/etc/passwd",
    re.IGNORECASE,
)
_SECRETS = re.compile(
    r"\bpass(?:words?|wd|phrases?)\b|\bcredentials?\b|\bapi[ _-]?keys?\b|\baccess tokens?\b|\bsecret keys?\b",
    re.IGNORECASE,
)

_TALK = re.compile(
    r"(?:hi|hello|hey|hiya|good (?:morning|evening|afternoon|day|night)|greetings|bye|goodbye|thanks?|"
    r"see you(?: later)?|"
    r"thank you|thx|cheers|ok(?:ay)?|great|cool|nice|perfect|awesome|wow|lol|yes|no|sure|never mind|sorry|"
    r"how are you|how do you do|what['’]?s up|who are you|what are you|who (?:made|built|created) you|"
    r"what(?:['’]s| is) your name|are you (?:human|real|there|a (?:bot|robot|machine|human|person|computer))|"
    r"help|what can you do|i love you|you(?:['’]re| are) (?:great|stupid|useless|wrong|awesome|funny)|"
    r"nice to meet you|have a (?:nice|good|great) (?:day|one|weekend|evening)|well done|good job|test(?:ing)?)"
    r"(?:[\s,.!?]+(?:there|you|so much|very much|a lot|all|everyone|everybody|today|much|assistant|friend|again|"
    r"then|doing|buddy|bot|for (?:that|your help|the help|everything|this)|please))*[\s.!?,:;)(-]*",
    re.IGNORECASE,
)
_FUTURE_VERBS = (
    r"be(?! \w+(?:ed|en)\b| due\b)|become|go|rise|fall|increase|decrease|grow|drop|"
    r"decline|improve|happen|win|lose|sell|earn|make|reach|exceed|"
    r"need|look|develop|change|cost|have|buy|spend|order|churn|leave|get|bring|turn out|rain|snow"
)
_PREDICTS = re.compile(
    r"\b(?:predict|forecast|foresee|extrapolate)\b(?!-)|\bproject(?:ion|ed)s?\b.*\b(?:next|future)\b"
    rf"|^(?:and |so |but )?(?:what|how (?:much|many|high|large|big)|who|which\b.{{0,30}}|where|"
    rf"when|will|how)\b.{{0,40}}?"
    rf"\b(?:will|is going to|are going to|gonna)\b.{{0,40}}?\b(?:{_FUTURE_VERBS})\b"
    rf"|^(?:and |so |but )?will\b.{{0,40}}\b(?:{_FUTURE_VERBS})\b|\bin the future\b"
    r"|\bwhat would\b.*\bif\b|\bwhat if we (?!only\b)",
    re.IGNORECASE,
)
_OPINION = re.compile(
    r"\b(?:what|how) (?:do|does|did|would) (?:you|people|others|everyone|(?:our |the |my )?\w+) (?:think|feel|say)\b"
    r"|\b(?:do|does|did) (?:\w+ ){1,3}(?:like|love|hate|trust|enjoy|prefer|respect)\b(?! to)"
    r"|\bhow (?:happy|satisfied|content|good|bad|nice|friendly|motivated|reliable|pretty|beautiful) "
    r"(?:is|are|was|were)\b"
    r"|\b(?:prettiest|nicest|most beautiful|ugliest|coolest|funniest|smartest|cutest|kindest|friendliest|sexiest|"
    r"tastiest|most boring|laziest|most likeable)\b|\bdo you (?:like|love|think|prefer|believe|want|feel|know any)\b"
    r"|\bwhat(?:['’]s| is) your (?:opinion|favou?rite|view)\b|\bin your opinion\b"
    r"|\b(?:is|are) (?:our|the|my) \w+ any good\b"
    r"|\bis it (?:true|fair|ethical|worth|a good idea|a bad idea|wise|ok|right)\b",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\bshould (?:we|i|one|you|they|the company)\b|\brecommend(?:ation)?\b|\bsuggest(?:ion)?\b|\b(?:any|some) advice\b"
    r"|\badvise\b|\bhow (?:can|could|should|would|might) (?:we|i|one|you)\b(?! (?:see|tell|know|compare|find))"
    r"|^how do (?:i|you)\b"
    r"|^how to\b|\bhow do we (?:increase|improve|reduce|get more|sell more|win|fix|avoid|"
    r"prevent|attract|keep|motivate)\b"
    r"|\b(?:best|good) way to\b|\btips? (?:for|on)\b|^what can (?:i|we) do\b",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"(?:and |but |so )?(?:why\b(?! not\b)|what (?:caused|explains|is the cause)\b|how come\b)", re.IGNORECASE
)
_KNOWLEDGE = re.compile(
    r"\bwho (?:invented|discovered|painted|composed|assassinated|founded)\b|\bmeaning of life\b"
    r"|\bnobel prize\b|\bworld cup\b|\bhow tall is\b"
    r"|\b(?:is|does|will|did) it (?:rain|snow)(?:ing)?\b"
    r"|^(?:what(?:['’]s| is)|how much is|calculate|compute)\s+[\d(][\d\s.,()+*/x^-]*"
    r"(?:plus|minus|times|divided|\+|\*|/|x|\^|squared|percent of)[\s\d.,a-z()+*/^-]*\??$"
    r"|\bhow (?:far|long) (?:is|does) it (?:to|from|take to (?:drive|fly|walk))\b|^what time is it\b"
    r"|\b(?:square root|speed of light|theory of|world war|solar system)\b",
    re.IGNORECASE,
)
_FACTS = re.compile(
    r"\b(?:capital|president|prime minister|chancellor|king|queen|population|flag|national anthem|"
    r"currency|language) of "
    r"|\b(?:stock|share) (?:price|market|exchange)\b|\bexchange rates?\b"
    r"|\bpredictions?\b|\bmarket share\b|\bfixed costs?\b",
    re.IGNORECASE,
)
"""General knowledge that some databases hold all the same."""
_TASK = re.compile(
    r"^(?:write|compose|draft|sing|recite|make up|invent)\b.{0,20}\b(?:poem|song|story|joke|essay|letter|script|"
    r"e-?mail|"
    r"code|program|novel|speech|haiku|limerick|blog|text|function)s?\b|^tell (?:me|us) (?:a |an |some |another )?"
    r"(?:joke|story|stories|secret|riddle|fun fact|fairy ?tale)"
    r"|^(?:sing|play|dance|draw|paint|cook|bake)\b(?! by| per|s)"
    r"|^translate\b|^set (?:an |the )?(?:alarm|timer|reminder)|^(?:book|order|buy|get) (?:me )?(?:a|an|some) "
    r"(?:flight|hotel|pizza|taxi|ticket to|table|coffee|train)\b|^(?:call|phone|text) (?:me|my|him|her|mom)\b"
    r"|^summari[sz]e (?:the )?(?:news|article|book|text)\b|^say\b.{0,30}$",
    re.IGNORECASE,
)
_QUIRKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_TASK, "task"),
    (_KNOWLEDGE, "knowledge"),
    (_FACTS, "knowledge"),
    (_OPINION, "opinion"),
    (_ADVICE, "advice"),
    (_PREDICTS, "future"),
)


_MISTYPED_PLEASE = re.compile(r"^p[leasz]{2,6}\b", re.IGNORECASE)
_FIRST_WORD = re.compile(r"^[a-z]{5,11}\b", re.IGNORECASE)
_VERBS = (
    *("delete", "remove", "update", "insert", "cancel", "change", "create", "rename", "truncate", "increase"),
    *("decrease", "replace", "modify", "assign", "deactivate", "reactivate", "activate", "overwrite"),
)
_LIKE_VERBS = frozenset(
    {"cancer", "remote", "insect", "charge", "chance", "crate", "cremate", "chang", "relate", "debate"}
)
"""Words one letter away from a verb that are words themselves."""


def _spell_verb(match: re.Match[str]) -> str:
    """Read a mistyped verb: `delte` is `delete`; `updates` and `cancelled` are other words."""
    word = match.group().lower()
    if word in _LIKE_VERBS or any(word.startswith(verb) for verb in _VERBS):
        return match.group()
    near = process.extractOne(word, _VERBS, scorer=OSA.distance, score_cutoff=1)
    return near[0] if near else match.group()


def steers_the_model(text: str) -> bool:
    """Tell whether a text tries to change or to learn what the model was told."""
    return _STEERS.search(text) is not None


def asks_for_internals(text: str) -> bool:
    """Tell whether a text names tables of the database system itself."""
    return _INTERNALS.search(text) is not None


def asks_for_secrets(text: str) -> bool:
    """Tell whether a text speaks of passwords or keys; a schema may hold such a column."""
    return _SECRETS.search(text) is not None


def asks_to_write(text: str, *, is_follow_up: bool) -> bool:
    """Tell whether a text asks to change something.

    Only what stands where an order stands counts, at the start of a clause: "how many orders were cancelled" and
    "customers added in 2024" ask to read.

    Args:
        text: The question.
        is_follow_up: Whether it goes on from an earlier one; "remove the cancelled ones" then is about the answer.
    """
    if _WRITES_ANYWHERE.search(text):
        return True
    for start in (0, *(match.end() for match in _CLAUSE.finditer(text))):
        clause = _POLITE.sub("", _MISTYPED_PLEASE.sub("please", text[start:].lstrip(" '\"“(-")))
        clause = _FIRST_WORD.sub(_spell_verb, clause)
        if _STRONG.match(clause) or (not is_follow_up and _WEAK.match(clause)):
            return True
    return False


def is_talk(text: str) -> bool:
    """Tell whether a text is a greeting or the like, and nothing else."""
    return _TALK.fullmatch(text.strip()) is not None


def asks_why(text: str) -> Wording | None:
    """Give the reason to decline a question for causes; None when it is none. A schema may hold reasons."""
    return _REASONS["why"] if _WHY.match(text.strip()) else None


def off_topic(text: str) -> Wording | None:
    """Give the reason to decline what hardly any database answers; None when it may be answered."""
    if is_talk(text):
        return _REASONS["talk"]
    for pattern, name in _QUIRKS:
        found = pattern.search(text.strip())
        if found:
            return _REASONS[name]._replace(about=found.group() if pattern is _FACTS else "")
    return None
