"""Two databases that no glossary speaks of, as SQLite files or on a server: a hospital, and one with awkward names.

In: a path (SQLite) or the URL of an empty database. Out: its tables with rows, always the same. The hospital has 30
tables, link tables, two and more foreign keys to one table, tables that point at themselves, a view, an empty table and
abbreviated names. The other has composite keys, reserved words, mixed case, spaces, umlauts, digits, dates kept as
text, a column without a value and one table of 100 columns.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    text,
)

HOSPITAL_TABLES = 29
"""Tables of the hospital, its view left out."""
ODD_TABLES = 12
"""The same for the other one."""

_DRIVERS = {"postgresql://": "postgresql+psycopg://", "mysql://": "mysql+pymysql://"}
_Cell = str | int | float | bool | date | datetime | None
_Rows = dict[str, list[dict[str, _Cell]]]

FIRST_NAMES = (
    "Mara", "Jonas", "Ilse", "Tariq", "Wen", "Oona", "Pavel", "Rosa", "Nils", "Aylin", "Bruno", "Chiara", "Dunja",
    "Emil", "Farah", "Goran",
)  # fmt: skip
LAST_NAMES = (
    "Abel", "Brandt", "Costa", "Dahl", "Egger", "Fontaine", "Grau", "Hoff", "Ivers", "Janssen", "Kowal", "Lindt",
    "Moreau", "Novak", "O'Neill", "Petri", "Quist", "Rossi", "Sander", "Thorn", "Urban", "Vidal", "Winter", "Zeman",
)  # fmt: skip
CITIES = ("Freiburg", "Basel", "Colmar", "Offenburg", "Lahr", "Bad Krozingen", "Mulhouse", "Lörrach")


def build_hospital(target: str | Path) -> None:
    """Build the hospital.

    Args:
        target: Path of a new SQLite file, or the URL of an empty database.
    """
    metadata = MetaData()
    _declare_hospital(metadata)
    _build(target, metadata, _fill_hospital(random.Random(11)), _HOSPITAL_VIEW)


def build_odd_names(target: str | Path) -> None:
    """Build the database with awkward names.

    Args:
        target: Path of a new SQLite file, or the URL of an empty database.
    """
    metadata = MetaData()
    _declare_odd(metadata)
    _build(target, metadata, _fill_odd(random.Random(12)), _ODD_VIEW)


def _build(target: str | Path, metadata: MetaData, rows: _Rows, view: str) -> None:
    url = str(target)
    for plain, driver in _DRIVERS.items():
        url = url.replace(plain, driver, 1) if url.startswith(plain) else url
    engine = create_engine(url if "://" in url else f"sqlite:///{url}")
    quotes = engine.dialect.identifier_preparer
    with engine.begin() as connection:
        metadata.create_all(connection)
        for name in (table.name for table in metadata.sorted_tables):
            if rows.get(name):
                connection.execute(metadata.tables[name].insert(), rows[name])
        # Names stand in [brackets] in a view's text, as they are quoted in each system.
        parts = view.replace("]", "[").split("[")
        connection.execute(text("".join(quotes.quote(p) if i % 2 else p for i, p in enumerate(parts))))
    engine.dispose()


def _table(metadata: MetaData, name: str, *columns: Column[_Cell] | ForeignKeyConstraint) -> Table:
    return Table(name, metadata, *columns)


def _id() -> Column[_Cell]:
    return Column("id", Integer, primary_key=True, autoincrement=False)


def _ref(name: str, target: str, *, key: bool = False, optional: bool = False) -> Column[_Cell]:
    return Column(name, ForeignKey(target), primary_key=key, nullable=optional, autoincrement=False)


# ---- the hospital


_HOSPITAL_VIEW = (
    "CREATE VIEW current_stay AS SELECT a.id AS admission_id, p.last_name, p.city, w.name AS ward_name, a.admitted_at"
    " FROM admission a JOIN patient p ON p.id = a.patient_id JOIN ward w ON w.id = a.ward_id"
    " WHERE a.discharged_at IS NULL"
)


def _declare_hospital(meta: MetaData) -> None:
    short, name = String(20), String(80)
    money = Numeric(10, 2, asdecimal=False)
    _table(meta, "department", _id(), Column("name", name), Column("floor", Integer), Column("opened_on", Date))
    _table(
        meta, "ward", _id(), _ref("department_id", "department.id"), Column("name", name), Column("bed_cnt", Integer),
        Column("is_intensive", Boolean),
    )  # fmt: skip
    _table(meta, "room", _id(), _ref("ward_id", "ward.id"), Column("room_no", short), Column("has_window", Boolean))
    _table(meta, "bed", _id(), _ref("room_id", "room.id"), Column("bed_no", Integer), Column("status", short))
    _table(
        meta, "staff", _id(), Column("full_name", name), Column("role", short), _ref("department_id", "department.id"),
        _ref("supervisor_id", "staff.id", optional=True), Column("hire_dt", Date), Column("salary_amt", money),
        Column("is_active", Boolean),
    )  # fmt: skip
    _table(meta, "specialty", _id(), Column("name", name))
    _table(
        meta, "staff_specialty", _ref("staff_id", "staff.id", key=True),
        _ref("specialty_id", "specialty.id", key=True), Column("since_dt", Date),
    )  # fmt: skip
    _table(meta, "insurer", _id(), Column("name", name), Column("kind", short))
    _table(
        meta, "patient", _id(), Column("first_name", name), Column("last_name", name), Column("birth_dt", Date),
        Column("gender", short), Column("city", name), Column("blood_group", short),
        _ref("insurer_id", "insurer.id", optional=True), _ref("family_doctor_id", "staff.id", optional=True),
    )  # fmt: skip
    _table(
        meta, "admission", _id(), _ref("patient_id", "patient.id"), _ref("ward_id", "ward.id"),
        _ref("attending_id", "staff.id"), Column("admission_type", short), Column("admitted_at", DateTime),
        Column("discharged_at", DateTime),
    )  # fmt: skip
    _table(
        meta, "transfer", _id(), _ref("admission_id", "admission.id"), _ref("from_ward_id", "ward.id"),
        _ref("to_ward_id", "ward.id"), Column("moved_at", DateTime), Column("reason", name),
    )  # fmt: skip
    _table(
        meta, "diagnosis", Column("code", String(8), primary_key=True), Column("description", String(120)),
        Column("chapter", name), _ref("parent_code", "diagnosis.code", optional=True),
    )  # fmt: skip
    _table(
        meta, "admission_diagnosis", _ref("admission_id", "admission.id", key=True),
        Column("diagnosis_code", ForeignKey("diagnosis.code"), primary_key=True), Column("is_primary", Boolean),
        Column("noted_on", Date),
    )  # fmt: skip
    _table(
        meta, "procedure_type", _id(), Column("name", name), Column("std_price_amt", money),
        Column("avg_dur_min", Integer),
    )  # fmt: skip
    _table(
        meta, "surgery", _id(), _ref("admission_id", "admission.id"), _ref("procedure_type_id", "procedure_type.id"),
        _ref("lead_surgeon_id", "staff.id"), _ref("anaesthetist_id", "staff.id"), Column("started_at", DateTime),
        Column("duration_min", Integer), Column("outcome", short),
    )  # fmt: skip
    _table(
        meta, "surgery_team", _ref("surgery_id", "surgery.id", key=True), _ref("staff_id", "staff.id", key=True),
        Column("duty", short),
    )  # fmt: skip
    _table(
        meta, "drug", _id(), Column("name", name), Column("substance", name), Column("unit", short),
        Column("price_amt", money), Column("stock_qty", Integer),
    )  # fmt: skip
    _table(
        meta, "prescription", _id(), _ref("admission_id", "admission.id"), _ref("drug_id", "drug.id"),
        _ref("prescriber_id", "staff.id"), Column("dose_qty", Double), Column("per_day", Integer),
        Column("start_dt", Date), Column("end_dt", Date),
    )  # fmt: skip
    _table(meta, "allergy", _id(), Column("name", name))
    _table(
        meta, "patient_allergy", _ref("patient_id", "patient.id", key=True), _ref("allergy_id", "allergy.id", key=True),
        Column("severity", short), Column("noted_dt", Date),
    )  # fmt: skip
    _table(
        meta, "lab_test", _id(), Column("name", name), Column("unit", short), Column("normal_low", Double),
        Column("normal_high", Double),
    )  # fmt: skip
    _table(
        meta, "lab_result", _id(), _ref("admission_id", "admission.id"), _ref("lab_test_id", "lab_test.id"),
        _ref("technician_id", "staff.id", optional=True), Column("taken_at", DateTime), Column("value", Double),
        Column("is_abnormal", Boolean),
    )  # fmt: skip
    _table(
        meta, "appointment", _id(), _ref("patient_id", "patient.id"), _ref("staff_id", "staff.id"),
        Column("scheduled_at", DateTime), Column("status", short), Column("reason", name),
    )  # fmt: skip
    _table(
        meta, "invoice", _id(), _ref("admission_id", "admission.id"), Column("issued_on", Date), Column("due_on", Date),
        Column("total_amt", money), Column("status", short),
    )  # fmt: skip
    _table(
        meta, "invoice_item", _ref("invoice_id", "invoice.id", key=True),
        Column("line_no", Integer, primary_key=True, autoincrement=False), Column("description", name),
        Column("qty", Integer), Column("unit_amt", money),
    )  # fmt: skip
    _table(
        meta, "payment", _id(), _ref("invoice_id", "invoice.id"), Column("paid_on", Date), Column("amt", money),
        Column("method", short),
    )  # fmt: skip
    _table(
        meta, "shift", _id(), _ref("staff_id", "staff.id"), _ref("ward_id", "ward.id"), Column("shift_dt", Date),
        Column("kind", short), Column("hours", Double),
    )  # fmt: skip
    _table(
        meta, "equipment", _id(), Column("name", name), Column("serial_no", short), _ref("ward_id", "ward.id"),
        Column("bought_on", Date), Column("cost_amt", money), Column("service_note", String(200)),
    )  # fmt: skip
    _table(meta, "visitor_log", _id(), _ref("patient_id", "patient.id"), Column("visitor_name", name))


def _fill_hospital(rng: random.Random) -> _Rows:
    rows: _Rows = {}

    def fill(table: str, count: int, make: Callable[[int], Mapping[str, _Cell]]) -> None:
        rows[table] = [{"id": number, **make(number)} for number in range(1, count + 1)]

    def some(table: str) -> _Cell:
        return rng.choice(rows[table])["id"]

    def day(first: int = 2023, last: int = 2025) -> date:
        return date(first, 1, 1) + timedelta(days=rng.randrange(365 * (last - first + 1)))

    def moment() -> datetime:
        return datetime(2023, 1, 1) + timedelta(minutes=5 * rng.randrange(3 * 365 * 288))

    def role(*names: str) -> _Cell:
        return rng.choice([row["id"] for row in rows["staff"] if row["role"] in names])

    departments = ("Cardiology", "Surgery", "Neurology", "Paediatrics", "Oncology", "Radiology", "Emergency")
    fill("department", 7, lambda n: {"name": departments[n - 1], "floor": n % 4, "opened_on": day(1990, 2015)})
    fill("ward", 14, lambda n: {
        "department_id": (n - 1) % 7 + 1, "name": f"{departments[(n - 1) % 7]} {'AB'[n > 7]}",
        "bed_cnt": rng.randint(8, 30), "is_intensive": n in (2, 7, 9),
    })  # fmt: skip
    fill("room", 60, lambda n: {
        "ward_id": some("ward"), "room_no": f"{n % 4}.{n:02}", "has_window": rng.random() < 0.7,
    })  # fmt: skip
    fill("bed", 150, lambda n: {
        "room_id": some("room"), "bed_no": n % 4 + 1, "status": rng.choice(("free", "occupied", "cleaning")),
    })  # fmt: skip
    roles = ("doctor", "nurse", "surgeon", "anaesthetist", "technician", "clerk")
    names = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
    rng.shuffle(names)
    fill("staff", 110, lambda n: {
        "full_name": names[n], "role": roles[n % 6], "department_id": some("department"),
        "supervisor_id": None if n <= 6 else max(1, n // 5), "hire_dt": day(2005, 2024),
        "salary_amt": round(rng.uniform(31000, 148000), -2), "is_active": rng.random() < 0.88,
    })  # fmt: skip
    specialties = ("Heart Surgery", "Sports Medicine", "Pain Therapy", "Neonatal Care", "Stroke Care", "Imaging",
                   "Chemotherapy", "Triage")  # fmt: skip
    fill("specialty", 8, lambda n: {"name": specialties[n - 1]})
    rows["staff_specialty"] = [
        {"staff_id": staff, "specialty_id": which, "since_dt": day(2010, 2024)}
        for staff in range(1, 90) for which in rng.sample(range(1, 9), rng.choice((0, 1, 1, 2)))
    ]  # fmt: skip
    insurers = ("Alpen Health", "Blue Shield South", "Civis", "Dolomit Care", "Medicus Direct")
    fill("insurer", 5, lambda n: {"name": insurers[n - 1], "kind": ("public", "private")[n % 2]})
    fill("patient", 320, lambda n: {
        "first_name": rng.choice(FIRST_NAMES), "last_name": rng.choice(LAST_NAMES), "birth_dt": day(1934, 2021),
        "gender": rng.choice(("female", "male", None)), "city": rng.choice(CITIES),
        "blood_group": rng.choice(("A+", "A-", "B+", "0+", "0-", "AB+", None)),
        "insurer_id": None if n % 11 == 0 else rng.choice((1, 1, 2, 3, 3, 4)),
        "family_doctor_id": None if n % 3 == 0 else role("doctor"),
    })  # fmt: skip

    def stay(_: int) -> Mapping[str, _Cell]:
        start = moment()
        return {
            "patient_id": rng.randint(1, 270), "ward_id": some("ward"), "attending_id": role("doctor", "surgeon"),
            "admission_type": rng.choice(("emergency", "planned", "planned", "day case")), "admitted_at": start,
            "discharged_at": None if rng.random() < 0.12 else start + timedelta(hours=rng.randint(5, 600)),
        }  # fmt: skip

    fill("admission", 620, stay)
    fill("transfer", 160, lambda n: {
        "admission_id": some("admission"), "from_ward_id": rng.randint(1, 7), "to_ward_id": rng.randint(5, 14),
        "moved_at": moment(), "reason": rng.choice(("closer monitoring", "lack of beds", "recovery", None)),
    })  # fmt: skip
    chapters = {"I": "Circulation", "S": "Injuries", "C": "Tumours", "J": "Breathing"}
    forms = ("mild", "acute", "chronic", "recurrent", "severe")
    rows["diagnosis"] = [{"code": c, "description": t, "chapter": t, "parent_code": None} for c, t in chapters.items()]
    rows["diagnosis"] += [
        {"code": f"{c}{10 + i}", "description": f"{form} {title.lower()} disorder type {i}", "chapter": title,
         "parent_code": c}
        for c, title in chapters.items() for i, form in enumerate(forms)
    ]  # fmt: skip
    codes = [row["code"] for row in rows["diagnosis"] if row["parent_code"]]
    rows["admission_diagnosis"] = [
        {"admission_id": stay_id, "diagnosis_code": code, "is_primary": not place, "noted_on": day()}
        for stay_id in range(1, 600) for place, code in enumerate(rng.sample(codes, rng.choice((1, 1, 2))))
    ]  # fmt: skip
    kinds = ("Bypass", "Knee Replacement", "Appendectomy", "Cataract Removal", "Biopsy", "Hernia Repair", "Stent")
    fill("procedure_type", 7, lambda n: {
        "name": kinds[n - 1], "std_price_amt": round(rng.uniform(400, 21000), 2), "avg_dur_min": 20 + 25 * n,
    })  # fmt: skip
    fill("surgery", 190, lambda n: {
        "admission_id": some("admission"), "procedure_type_id": some("procedure_type"),
        "lead_surgeon_id": role("surgeon"), "anaesthetist_id": role("anaesthetist"), "started_at": moment(),
        "duration_min": rng.randint(18, 320), "outcome": rng.choice(("successful", "successful", "complicated", None)),
    })  # fmt: skip
    rows["surgery_team"] = [
        {"surgery_id": number, "staff_id": member, "duty": rng.choice(("assistant", "scrub nurse", "observer"))}
        for number in range(1, 191) for member in rng.sample(range(1, 111), rng.choice((0, 2, 3)))
    ]  # fmt: skip
    drugs = ("Aspirin", "Ibuprofen", "Morphine", "Heparin", "Insulin", "Penicillin", "Metformin", "Ramipril",
             "Bisoprolol", "Cortisone", "Diazepam", "Codeine")  # fmt: skip
    fill("drug", 12, lambda n: {
        "name": drugs[n - 1], "substance": f"{drugs[n - 1].lower()} base", "unit": ("mg", "ml", "IU")[n % 3],
        "price_amt": round(rng.uniform(2, 180), 2), "stock_qty": rng.randint(0, 900),
    })  # fmt: skip

    def prescribe(_: int) -> Mapping[str, _Cell]:
        start = day()
        return {
            "admission_id": some("admission"), "drug_id": rng.randint(1, 11), "prescriber_id": role("doctor"),
            "dose_qty": rng.choice((0.5, 1.0, 2.0, 5.0, 7.5)), "per_day": rng.randint(1, 4), "start_dt": start,
            "end_dt": None if rng.random() < 0.2 else start + timedelta(days=rng.randint(1, 40)),
        }  # fmt: skip

    fill("prescription", 480, prescribe)
    fill("allergy", 6, lambda n: {"name": ("Pollen", "Latex", "Peanuts", "Penicillin", "Dust", "Iodine")[n - 1]})
    rows["patient_allergy"] = [
        {"patient_id": who, "allergy_id": which, "severity": rng.choice(("low", "medium", "high")), "noted_dt": day()}
        for who in range(1, 240) for which in rng.sample(range(1, 6), rng.choice((0, 0, 1, 2)))
    ]  # fmt: skip
    tests = (("Glucose", "mg/dl", 70.0, 110.0), ("Haemoglobin", "g/dl", 12.0, 17.5), ("Sodium", "mmol/l", 135.0, 145.0),
             ("Troponin", "ng/l", 0.0, 14.0), ("CRP", "mg/l", 0.0, 5.0))  # fmt: skip
    fill("lab_test", 5, lambda n: dict(zip(("name", "unit", "normal_low", "normal_high"), tests[n - 1], strict=True)))
    fill("lab_result", 700, lambda n: {
        "admission_id": some("admission"), "lab_test_id": some("lab_test"),
        "technician_id": None if n % 9 == 0 else role("technician"), "taken_at": moment(),
        "value": round(rng.uniform(0.5, 160), 1), "is_abnormal": rng.random() < 0.24,
    })  # fmt: skip
    fill("appointment", 400, lambda n: {
        "patient_id": some("patient"), "staff_id": role("doctor", "nurse"), "scheduled_at": moment(),
        "status": rng.choice(("done", "done", "missed", "cancelled", "booked")),
        "reason": rng.choice(("check-up", "blood test", "vaccination", "follow-up", None)),
    })  # fmt: skip

    def bill(number: int) -> Mapping[str, _Cell]:
        issued = day()
        return {
            "admission_id": number, "issued_on": issued, "due_on": issued + timedelta(days=30),
            "total_amt": round(rng.uniform(90, 19000), 2), "status": rng.choice(("paid", "paid", "open", "overdue")),
        }  # fmt: skip

    fill("invoice", 420, bill)
    rows["invoice_item"] = [
        {"invoice_id": number, "line_no": line, "description": rng.choice(("bed", "meals", "drugs", "surgery", "lab")),
         "qty": rng.randint(1, 9), "unit_amt": round(rng.uniform(4, 900), 2)}
        for number in range(1, 421) for line in range(1, rng.choice((1, 2, 3)) + 1)
    ]  # fmt: skip
    fill("payment", 300, lambda n: {
        "invoice_id": some("invoice"), "paid_on": day(), "amt": round(rng.uniform(20, 9000), 2),
        "method": rng.choice(("bank transfer", "card", "cash")),
    })  # fmt: skip
    fill("shift", 500, lambda n: {
        "staff_id": some("staff"), "ward_id": some("ward"), "shift_dt": day(),
        "kind": rng.choice(("early", "late", "night")), "hours": rng.choice((6.0, 8.0, 8.5, 12.0)),
    })  # fmt: skip
    devices = ("Ventilator", "Infusion Pump", "ECG Monitor", "Ultrasound", "Defibrillator")
    fill("equipment", 70, lambda n: {
        "name": f"{devices[n % 5]} {n}", "serial_no": f"SN-{n * 7919 % 100000:05}", "ward_id": some("ward"),
        "bought_on": day(2012, 2024), "cost_amt": round(rng.uniform(300, 42000), 2), "service_note": None,
    })  # fmt: skip
    return rows


# ---- awkward names


_ODD_VIEW = (
    "CREATE VIEW [Order Overview] AS SELECT o.[Region Code], o.[Order No], o.[Order Date], c.[Company Name]"
    " FROM [Order] o JOIN [Customer Master] c ON c.[Region Code] = o.[Region Code] AND c.[Cust No.] = o.[Cust No.]"
)


def _declare_odd(meta: MetaData) -> None:
    short, name = String(20), String(80)

    def key(title: str, kind: Integer | String) -> Column[_Cell]:
        return Column(title, kind, primary_key=True, autoincrement=False)

    def pair(columns: tuple[str, ...], table: str, targets: tuple[str, ...] = ()) -> ForeignKeyConstraint:
        own = meta.tables[table].c
        return ForeignKeyConstraint(columns, [own[title] for title in targets or columns])

    _table(
        meta, "User", key("ID", Integer()), Column("LoginName", short), Column("firstName", name),
        Column("Manager", ForeignKey("User.ID"), nullable=True), Column("createdAt", DateTime),
        Column("isAdmin", Boolean),
    )  # fmt: skip
    _table(
        meta, "Customer Master", key("Region Code", String(4)), key("Cust No.", Integer()),
        Column("Company Name", name), Column("Größe", short),
        Column("credit limit", Numeric(12, 2, asdecimal=False)), Column("2nd Contact", name),
    )  # fmt: skip
    _table(
        meta, "Order", key("Region Code", String(4)), key("Order No", Integer()), Column("Cust No.", Integer),
        Column("Order Date", Date), Column("group", short), Column("from", ForeignKey("User.ID")),
        Column("to", ForeignKey("User.ID"), nullable=True), Column("Total$", Numeric(12, 2, asdecimal=False)),
        pair(("Region Code", "Cust No."), "Customer Master"),
    )  # fmt: skip
    _table(
        meta, "group", key("id", Integer()), Column("name", name),
        Column("parentGroup", ForeignKey("group.id"), nullable=True), Column("select", Boolean),
    )  # fmt: skip
    _table(
        meta, "artikelStamm", key("ArtNr", String(8)), Column("Bezeichnung", name), Column("Preis", Double),
        Column("group", ForeignKey("group.id")), Column("validFrom", String(10)), Column("LongText", String(4000)),
    )  # fmt: skip
    _table(
        meta, "OrderItem", key("Region Code", String(4)), key("Order No", Integer()), key("Line#", Integer()),
        Column("ArtNr", ForeignKey("artikelStamm.ArtNr")), Column("Qty", Integer), Column("disc %", Double),
        pair(("Region Code", "Order No"), "Order"),
    )  # fmt: skip
    _table(meta, "Tag", key("TagID", Integer()), Column("Label", short), Column("colour", short))
    _table(
        meta, "Order_Tag", key("Region Code", String(4)), key("Order No", Integer()),
        Column("TagID", ForeignKey("Tag.TagID"), primary_key=True), pair(("Region Code", "Order No"), "Order"),
    )  # fmt: skip
    _table(
        meta, "2024_targets", key("month", Integer()), key("Region Code", String(4)), Column("value", Integer),
        Column("remark", name),
    )  # fmt: skip
    _table(
        meta, "Wide_Readings", key("ReadingID", Integer()), Column("takenOn", Date),
        *(Column(f"m{number:03}", Double) for number in range(1, 99)),
    )  # fmt: skip
    _table(meta, "audit log", key("id", Integer()), Column("User", ForeignKey("User.ID")), Column("what", name))
    _table(meta, "settings", key("key", String(30)), Column("value", name), Column("where", short))


def _fill_odd(rng: random.Random) -> _Rows:
    rows: _Rows = {}
    regions = ("N", "S", "EU-W")
    sizes = ("klein", "mittel", "groß")

    def day() -> date:
        return date(2023, 1, 1) + timedelta(days=rng.randrange(1095))

    rows["User"] = [
        {"ID": n, "LoginName": f"{FIRST_NAMES[n % 16].lower()}{n}", "firstName": FIRST_NAMES[n % 16],
         "Manager": None if n < 4 else n // 4, "createdAt": datetime(2022, 1, 1) + timedelta(hours=37 * n),
         "isAdmin": n % 7 == 0}
        for n in range(1, 41)
    ]  # fmt: skip
    rows["Customer Master"] = [
        {"Region Code": region, "Cust No.": n,
         "Company Name": f"{LAST_NAMES[n % 24]} & {LAST_NAMES[n * 7 % 24]} {region}",
         "Größe": rng.choice(sizes), "credit limit": round(rng.uniform(500, 90000), -2),
         "2nd Contact": rng.choice((*FIRST_NAMES[:5], None))}
        for region in regions for n in range(1, 51)
    ]  # fmt: skip
    rows["Order"] = [
        {"Region Code": region, "Order No": n, "Cust No.": rng.randint(1, 44), "Order Date": day(),
         "group": rng.choice(("web", "Phone", "walk-in")), "from": rng.randint(1, 30),
         "to": None if n % 5 == 0 else rng.randint(8, 40), "Total$": round(rng.uniform(9, 4200), 2)}
        for region in regions for n in range(1, 181)
    ]  # fmt: skip
    rows["group"] = [
        {"id": n, "name": f"Group {'ABCDEFGHIJ'[n - 1]}", "parentGroup": None if n <= 3 else n // 3,
         "select": n % 2 == 0}
        for n in range(1, 11)
    ]  # fmt: skip
    goods = ("Schraube", "Mutter", "Dübel", "Bohrer", "Säge", "Zange", "Nagel", "Leim")
    rows["artikelStamm"] = [
        {"ArtNr": f"A{n:04}", "Bezeichnung": f"{goods[n % 8]} {n}", "Preis": round(rng.uniform(0.1, 320), 2),
         "group": rng.randint(1, 9), "validFrom": day().isoformat(),
         "LongText": f"{goods[n % 8]}: " + "lorem ipsum dolor sit amet " * rng.randint(20, 90)}
        for n in range(1, 121)
    ]  # fmt: skip
    rows["OrderItem"] = [
        {"Region Code": order["Region Code"], "Order No": order["Order No"], "Line#": line,
         "ArtNr": f"A{rng.randint(1, 110):04}", "Qty": rng.randint(1, 40), "disc %": rng.choice((0.0, 0.0, 2.5, 10.0))}
        for order in rows["Order"][:400] for line in range(1, rng.choice((1, 2, 3)) + 1)
    ]  # fmt: skip
    tags = ("urgent", "gift", "export", "VIP", "return")
    rows["Tag"] = [{"TagID": n, "Label": tag, "colour": rng.choice(("red", "blue"))} for n, tag in enumerate(tags, 1)]
    rows["Order_Tag"] = [
        {"Region Code": order["Region Code"], "Order No": order["Order No"], "TagID": tag}
        for order in rows["Order"] for tag in rng.sample(range(1, 5), rng.choice((0, 0, 1, 2)))
    ]  # fmt: skip
    rows["2024_targets"] = [
        {"month": month, "Region Code": region, "value": rng.randint(20, 90) * 100, "remark": None}
        for month in range(1, 13) for region in regions
    ]  # fmt: skip
    rows["Wide_Readings"] = [
        {"ReadingID": n, "takenOn": day(), **{f"m{i:03}": round(rng.uniform(0, 50 + i), 1) for i in range(1, 99)}}
        for n in range(1, 121)
    ]  # fmt: skip
    rows["settings"] = [
        {"key": f"option.{n}", "value": rng.choice(("on", "off", "auto")), "where": rng.choice(("web", "app"))}
        for n in range(1, 31)
    ]  # fmt: skip
    return rows
