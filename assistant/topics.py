"""Words for what databases may hold, and words by which people ask about whatever they hold.

In: nothing. Out: groups of names for things that one database has and the next has not, and the everyday words of
questions that say nothing about what a database must have. English only. Knows no schema and no question.
"""

from __future__ import annotations

import re

from assistant.words import word_set

_GROUPS = """
weather sunny | climate
football soccer olympics | match matches game games team teams league leagues club clubs
horoscope horoscopes astrology zodiac
bitcoin crypto cryptocurrency | currency coin
restaurant restaurants
politics politician politicians election elections parliament
lottery jackpot
singer singers actor actors actress celebrity celebrities | artist cast
joke jokes poem poems song songs | track tracks
wife husband girlfriend boyfriend spouse spouses marital married divorced
competitor competitors | competition rival rivals opponent opponents
rating ratings reviews testimonial testimonials | rated stars review reviewed reviewer score feedback
satisfaction nps csat happiness sentiment | mood feedback rating score
colour colours color colors
weight weights weigh weighs weighed kilogram kilograms | kg mass grams
hobby hobbies | interests
pet pets dog dogs | animal animals
vacation vacations | holiday holidays absence absences leave
parking | garage
religion religions religious | faith church
supplier suppliers vendor vendors manufacturer manufacturers distributor distributors
    | supp vend mfr maker makers producer seller brand
warehouse warehouses stockroom restock depot | wh whse inventory inventories inv stock storage location
website websites homepage webpage | web site sites online channel url domain
pageview pageviews clicks clicked bounce | page pages visits click
browser browsers | agent client
follower followers instagram facebook twitter tiktok linkedin youtube influencer influencers | social
newsletter newsletters | mailing subscriber subscribers subscription
insurance insurances insurer insurers | insured policy
passport passports
barcode barcodes | ean sku gtin
ingredient ingredients allergen allergens | allergy allergies
calorie calories nutrition
carbon emission emissions co2
coupon coupons promo | voucher vouchers promotion promotions discount discounts
nationality nationalities citizenship ethnicity | race country nation
university universities diploma diplomas | education degree college school schools
car cars vehicle vehicles truck trucks | model auto
campaign campaigns advertising advertisement advertisements advert adverts | ad ads marketing source
canteen cafeteria lunch | food meal meals breakfast dinner
temperature temperatures humidity
patent patents lawsuit lawsuits
electricity heating | utilities energy power
vat taxes taxation | tax
loan loans mortgage mortgages debts | debt credit
overtime | hours shift shifts
pension pensions | retirement
skill skills | specialty qualification
language languages speak speaks | tongue
disability disabilities | disabled
tall taller tallest | height heights size
warranty warranties | guarantee
courier couriers carrier carriers | shipper shippers
fuel mileage
session sessions | login logins log
budget budgets | target plan planned
landlord rent rents lease leases
survey surveys questionnaire questionnaires | response answer
downloads
fraud fraudulent
smoke smokes smoker smokers smoking
profession professions occupation occupations | job title role position
shareholder shareholders dividend dividends investor investors
podcast podcasts
applicant applicants vacancy vacancies | candidate application
blood
telephony | phone_call calls conversation duration
iban | bank account credit creditcard score
bodily | shoe eye eyes hair clothing
timetable | opening_hours hours
agenda | meeting meetings appointment
"""


def _read_groups(text: str) -> dict[str, frozenset[str]]:
    groups: dict[str, frozenset[str]] = {}
    for line in text.replace("\n    |", " |").strip().splitlines():
        names, _, related = line.partition("|")
        group = word_set(line.replace("|", " "))
        assert not word_set(names) & groups.keys(), line
        groups |= dict.fromkeys(word_set(names) - word_set(related), group)
    return groups


ABSENT: dict[str, frozenset[str]] = _read_groups(_GROUPS)
"""Names of things that some databases hold, each with what else it may be called: missing where none is in the schema.

The words behind the bar only say that a schema has the thing: a question that says "team" may mean the staff.
"""

PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE), name)
    for phrase, name in (
        (r"(?:in|out of) stock|stock (?:levels?|on hand|left)|inventory levels?|reorder points?", "stockroom"),
        (r"(?:spen[dt]|cost|paid) (?:\w+ ){0,2}on marketing|marketing (?:spend|spending|costs?|budget)", "advertising"),
        (r"(?:one|two|three|four|five|\d)[- ]stars?|star ratings?", "ratings"),
        (
            r"conversion rates?|click[- ]?through(?: rates?)?|bounce rates?|page views?|page impressions|"
            r"unique visitors",
            "clicks",
        ),
        (
            r"visitors? (?:of|on|to) (?:the|our) (?:web)?(?:site|page|shop)|web(?:site)? (?:traffic|visitors?|visits?)",
            "pageviews",
        ),
        (r"mother tongues?|native languages?", "languages"),
        (r"hours (?:\w+ ){0,4}work(?:ed)?|work(?:ing|ed)? hours", "overtime"),
        (r"social media", "followers"),
        (r"phone calls?|call cent(?:re|er)", "telephony"),
        (r"tracking (?:codes?|numbers?)|delivery (?:drivers?|company|companies)", "couriers"),
        (r"bank accounts?|credit cards?|account numbers?|credit scores?", "iban"),
        (r"sick (?:leave|days?)|days? off|days of leave|on (?:vacation|sick leave)", "vacations"),
        (r"eye colou?rs?|hair colou?rs?|shoe sizes?|clothing sizes?", "bodily"),
        (r"opening hours|business hours", "timetable"),
        (r"parking (?:spaces?|lots?|places?)", "parking"),
        (r"next (?:team |board |staff )?meeting", "agenda"),
    )
)
"""Things of more than one word, each with the name in `ABSENT` that it goes by."""

ASKING_WORDS = word_set(
    """able above absolute account accounts accumulated acquire across action actions activities activity actual add
    additional adjacent adult adults again against age aged aggregate alphabet alphabetical alphabetically already
    alternative annual answer anybody anyone appear appears apply approximately area areas around ascending aside
    attribute available averages away background balance band bands base basis basket baskets become begin beginning
    behaviour below beneath benefit beside bestseller bestsellers between bigger biggest bill bills bit blank body
    bottom bracket brackets breakdown breakdowns brief broken bucket buckets busier busiest business businesses busy
    buyers calendar call called calls came capacity case cases cash catalogue category caused cent cents certain
    change changes chart cheaper cheapest chronological class classes client closest cohort cohorts colleague
    colleagues collect collection column columns combination combine combined combo come comes coming common
    commonly complaint complaints condition conditions consecutive consider contact contacts contain contained
    contains contents context contribute contribution couple course courses cover create creation crossed cumulated
    cumulative currency current currently cut daily dated dates day days deal deals dearest debtor decade decades
    decile decline decrease default delay delayed delays delivered deliveries delivery demand department departments
    descending describe description desk detail details development developments deviation difference differences
    digit digits direct disk display distinct distribution divided division document dollar dollars double doubles
    down downturn downwards dozen drop dropped duplicate duplicates duration durations earlier earliest earner
    earners eight eighty eldest eleven eligible email emails employed end ended ends enough enter entire entirely
    entries entry equal equally euro euros evening event events ever everybody everyone everything exact exactly
    exceed except exclude excluding exist existing expensive experience extra extreme extremes factor fall family
    far fast faster fastest feature few fewer fewest field fields fifth fifty figures file filter final finance
    finances fire firm firms firstly five flag folk folks following forename forty four fourth fraction frequency
    frequent frequently fresh friend full fully gap gaps gender gross groups growth guest guests guy guys half
    halves happen happened headcount header heavier heaviest heavy held hire hired hires hold holder hourly
    household hundred id identical identifier ids immediate inactive include included including income incomes
    increase indeed individual individuals input inside instead intake interval intervals invoice invoices involve
    involved issue issues items job jobs join joint key keys kind kinds label labels ladies lady lag lapsed largest
    lately latter leader leaders leading leftover length lengths letter letters level levels life lifetime likely
    limit limits line lines link linked location locations logged longest loss losses lot lots lowest lump main
    mainly majority male manager managers many mark market markets matching maximal maximum mean meaning means
    measure measures median meeting meetings mention merchandise method methods midnight minimal minimum minor
    minute minutes missing mix mode moment moments monday money morning motion move movement moves multiple name
    named names narrow near nearest need needed negative net newer newest night nine ninety noon normal notable note
    notes nothing novice number numbers numeric occasion occasions occur occurrence occurrences offer offers office
    often older oldest one ones ongoing opposite option options origin original originally outlier outliers
    outstanding oversight overview overviews owner owners pair paired pairs part participation particular partner
    partners parts past patron patrons pattern pay payer payers payroll peak peaks penultimate per percent
    percentage percentages percentile percentiles performance performer performers period periods person persons
    phase phone phones physical picture piece pieces place places plan planned please plus point popular popularity
    portfolio portion position positions possible potential preceding present previous prices pricing prior priority
    private product profile profitable proportion proportions provide public purchase purchaser purchasers purchases
    pure purpose quantile quantities quantity quarter quarterly quarters quartile quick quickest quota random range
    ranges rank ranked ranking rankings ranks rare rarest rate rates rather ratio ratios reach reason receipt
    receipts receive recently record records refer reference regard region regions register registered registration
    regular related relation relationship relative remain remaining repeat repeated repeatedly report reports
    represent representative request requests respective respectively rest result results retail return returned
    returns revenue reverse rise rising role roles roughly round row rows run running salaries salary sale sales
    same sample scale scheduled score season seasons second seconds section segment segments select selection seller
    sellers send sender senders senior separate separately sequence series serve served service services set seven
    seventy sex shape share shares shipment shipments shipper shop shopper shoppers shops short shortest side sign
    signup signups similar simple simply single singles site sites situation six sixty size sizes slice slowest
    slump small smaller smallest software sold sole someone something sort source sources space span specific
    specified spend spender spenders spending spendings spent split spread stage standard start started stat state
    statement statistic statistics stats status statuses stay stayed stays step steps stock stop store stores streak
    string strings structure study sub subject subjects subtotal sum summary sums supplied support surname surnames
    table tables tail taken takings tally ten tenure term terms text thing things third thirds thirty thousand three
    threshold thresholds tier tiers timeline times timespan title titles today together tomorrow tonight top topic
    topics total totals town towns track trade trading transaction transactions transfer trend trends turnaround
    twelve twenty twice two type types typical typically under unique unit units unknown until upper upwards usage
    usual usually valid valuation value values variance variation variety various vary version view vip visits
    volume volumes wage wages wait waiting week weekday weekdays weekend weekends weekly weeks whether whole wide
    wider widest win winner winners woman women word words work worked worker workers workforce working workload
    works worldwide worth written year yearly years yesterday young younger youngest zero zone zones"""
)
"""Words that people use of any database: of numbers, time, order, people and trade. That they are not in a schema says
nothing."""
