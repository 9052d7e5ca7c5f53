"""A hospital: wards, doctors, patients, admissions, diagnoses, medicines, laboratory tests and bills."""

from __future__ import annotations

from lib.sources.sql.embedded.draws import Draws, days_later
from lib.sources.sql.embedded.places import Places
from lib.sources.sql.embedded.plan import ColumnPlan as C
from lib.sources.sql.embedded.plan import DatabasePlan
from lib.sources.sql.embedded.plan import TablePlan as T

NUM_PATIENTS, NUM_ADMISSIONS = 380, 900
SPECIALTIES = (
    "cardiology",
    "neurology",
    "orthopaedics",
    "paediatrics",
    "oncology",
    "surgery",
    "dermatology",
    "geriatrics",
)
ILLNESSES = (
    ("influenza", "infection", 2), ("pneumonia", "infection", 4), ("migraine", "nervous system", 2), 
    ("stroke", "nervous system", 5), ("hip fracture", "injury", 4), ("wrist fracture", "injury", 2),
    ("concussion", "injury", 3),
    ("asthma", "lungs", 3),
    ("bronchitis", "lungs", 2), ("heart failure", "heart", 5), ("arrhythmia", "heart", 3), ("hypertension", "heart", 2),
    ("eczema", "skin", 1), ("burn", "skin", 4), ("appendicitis", "digestion", 3), ("gastritis", "digestion", 2),
    ("diabetes", "metabolism", 3), ("anaemia", "blood", 2), ("leukaemia", "blood", 5), ("allergy", "immune system", 1),
)  # fmt: skip
MEDICINES = (
    "Alverol Benitrax Cordium Dermasol Enverin Flumarix Gastrel Hemovit "
    "Inspira Kardiplex Lumicort Morvane Neurodal Orthogen Pulmexin Quinovar"
).split()
# name, unit, mean, spread
TESTS = (
    ("haemoglobin", "g/dL", 13.8, 1.6),
    ("glucose", "mg/dL", 104, 24),
    ("creatinine", "mg/dL", 1.0, 0.3),
    ("sodium", "mmol/L", 140, 3.5),
    ("leucocytes", "10^9/L", 7.6, 2.4),
    ("cholesterol", "mg/dL", 196, 38),
)


def plan_hospital(places: Places, draws: Draws) -> DatabasePlan:
    doctors = _draw_doctors(draws)
    patients = _draw_patients([city.name for city in places.cities[:60]], draws)
    admissions = _draw_admissions(patients, doctors, draws)
    tables = (
        _specialties(),
        _wards(draws),
        _doctors(doctors),
        _nurses(draws),
        _insurers(draws),
        _patients(patients),
        _admissions(admissions),
        _illnesses(),
        _diagnoses(admissions, doctors, draws),
        _medicines(draws),
        _prescriptions(admissions, draws),
        _lab_tests(),
        _lab_results(admissions, draws),
        _bills(admissions, draws),
    )
    return DatabasePlan("hospital", tables)


def _draw_doctors(draws: Draws) -> list[tuple]:
    """The first of a specialty leads it; the others answer to one who was hired before."""
    found: list[tuple] = []
    for number, (first, last) in enumerate(draws.people(48), start=1):
        specialty = (number - 1) % len(SPECIALTIES) + 1
        chief = specialty if number > len(SPECIALTIES) else None
        salary = draws.whole(70, 125) * 1000 if chief else draws.whole(140, 190) * 1000
        found.append((number, first, last, specialty, chief, draws.date("1994-01-01", "2023-12-31"), salary))
    return found


def _draw_patients(cities: list[str], draws: Draws) -> list[tuple]:
    groups = ("O+", "A+", "B+", "O-", "A-", "AB+", "B-", "AB-")
    found = []
    for number, (first, last) in enumerate(draws.people(NUM_PATIENTS), start=1):
        group = draws.skewed(groups) if draws.chance(0.85) else None
        sex = "female" if draws.chance(0.52) else "male"
        insurer = draws.whole(1, 6) if draws.chance(0.92) else None
        weight = draws.normal(66 if sex == "female" else 80, 11)
        found.append(
            (
                number,
                first,
                last,
                sex,
                draws.date("1932-01-01", "2020-12-31"),
                draws.one(cities),
                group,
                weight,
                insurer,
            )
        )
    return found


def _draw_admissions(patients: list, doctors: list, draws: Draws) -> list[tuple]:
    """(id, patient, ward, doctor, admitted, discharged, is emergency)"""
    found = []
    for number in range(1, NUM_ADMISSIONS + 1):
        patient, doctor = draws.skewed(patients)[0], draws.one(doctors)
        admitted = draws.date("2023-01-01", "2025-06-20")
        discharged = days_later(admitted, draws.skewed((1, 2, 3, 5, 8, 14, 30))) if draws.chance(0.96) else None
        found.append((number, patient, doctor[3], doctor[0], admitted, discharged, draws.chance(0.38)))
    return found


def _specialties() -> T:
    columns = (C("id", "INTEGER", "specialty id"), C("name", "TEXT", "specialty name"))
    return T("specialties", "Fields of medicine.", columns, list(enumerate(SPECIALTIES, start=1)))


def _wards(draws: Draws) -> T:
    rows = [
        (number, f"Ward {chr(64 + number)}", number, draws.whole(1, 6), draws.whole(10, 44))
        for number in range(1, len(SPECIALTIES) + 1)
    ]
    columns = (
        C("id", "INTEGER", "ward id"),
        C("name", "TEXT", "ward name"),
        C("specialty_id", "INTEGER", "specialty", refers="specialties.id"),
        C("floor", "INTEGER", "floor"),
        C("beds", "INTEGER", "beds", description="Number of beds."),
    )
    return T("wards", "Wards of the hospital.", columns, rows)


def _doctors(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "doctor id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("specialty_id", "INTEGER", "specialty", refers="specialties.id"),
        C("chief_id", "INTEGER", "chief", refers="doctors.id", description="Missing for those who lead."),
        C("hired_on", "DATE", "hiring date"),
        C("salary", "INTEGER", "salary", description="Yearly salary in euros."),
    )
    return T("doctors", "Doctors of the hospital.", columns, rows)


def _nurses(draws: Draws) -> T:
    rows = [
        (
            number,
            first,
            last,
            draws.whole(1, len(SPECIALTIES)),
            draws.skewed(("day", "night", "late")),
            draws.whole(0, 35),
        )
        for number, (first, last) in enumerate(draws.people(90), start=1)
    ]
    columns = (
        C("id", "INTEGER", "nurse id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("ward_id", "INTEGER", "ward", refers="wards.id"),
        C("shift", "TEXT", "shift", values="day, late or night"),
        C("experience_years", "INTEGER", "experience", description="In years."),
    )
    return T("nurses", "Nurses of the wards.", columns, rows)


def _insurers(draws: Draws) -> T:
    names = ("Anchor Health", "Beacon Mutual", "Cedar Care", "Public Fund", "Sailor's Aid", "Union Life")
    rows = [(number, name, name == "Public Fund", draws.whole(60, 100)) for number, name in enumerate(names, start=1)]
    columns = (
        C("id", "INTEGER", "insurer id"),
        C("name", "TEXT", "insurer name"),
        C("is_public", "BOOLEAN", "public"),
        C("coverage_percent", "INTEGER", "coverage", description="Share of a bill that it pays, in percent."),
    )
    return T("insurers", "Health insurers.", columns, rows)


def _patients(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "patient id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("sex", "TEXT", "sex", values="female or male"),
        C("birth_date", "DATE", "birth date"),
        C("city", "TEXT", "city"),
        C("blood_group", "TEXT", "blood group", description="Missing where not known."),
        C("weight_kg", "REAL", "weight", description="In kilograms."),
        C("insurer_id", "INTEGER", "insurer", refers="insurers.id", description="Missing for those without one."),
    )
    return T("patients", "Patients.", columns, rows)


def _admissions(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "admission id"),
        C("patient_id", "INTEGER", "patient", refers="patients.id"),
        C("ward_id", "INTEGER", "ward", refers="wards.id"),
        C("doctor_id", "INTEGER", "attending doctor", refers="doctors.id"),
        C("admitted_on", "DATE", "admission date"),
        C("discharged_on", "DATE", "discharge date", description="Missing for those who are still there."),
        C("is_emergency", "BOOLEAN", "emergency"),
    )
    return T("admissions", "Stays of patients.", columns, rows)


def _illnesses() -> T:
    rows = [(number, *illness) for number, illness in enumerate(ILLNESSES, start=1)]
    columns = (
        C("id", "INTEGER", "illness id"),
        C("name", "TEXT", "illness name"),
        C("area", "TEXT", "area", description="What it concerns, such as the heart."),
        C("severity", "INTEGER", "severity", description="From 1, light, to 5, grave."),
    )
    return T("illnesses", "Illnesses and injuries.", columns, rows)


def _diagnoses(admissions: list, doctors: list, draws: Draws) -> T:
    rows = []
    for admission in admissions:
        for place, illness in enumerate(draws.some(range(1, len(ILLNESSES) + 1), draws.skewed((1, 1, 2, 3)))):
            doctor = admission[3] if draws.chance(0.7) else draws.one(doctors)[0]
            rows.append((admission[0], illness, doctor, place == 0))
    columns = (
        C("admission_id", "INTEGER", "admission", refers="admissions.id"),
        C("illness_id", "INTEGER", "illness", refers="illnesses.id"),
        C("doctor_id", "INTEGER", "diagnosing doctor", refers="doctors.id"),
        C("is_main", "BOOLEAN", "main diagnosis"),
    )
    return T("diagnoses", "What was found during a stay.", columns, rows, key=("admission_id", "illness_id"))


def _medicines(draws: Draws) -> T:
    forms = ("tablet", "injection", "syrup", "ointment")
    rows = [
        (number, name, draws.skewed(forms), draws.amount(0.4, 48), draws.chance(0.25))
        for number, name in enumerate(MEDICINES, start=1)
    ]
    columns = (
        C("id", "INTEGER", "medicine id"),
        C("name", "TEXT", "medicine name"),
        C("form", "TEXT", "form", values="tablet, injection, syrup or ointment"),
        C("unit_price", "REAL", "unit price", description="In euros."),
        C("is_restricted", "BOOLEAN", "restricted", description="Whether two doctors must sign."),
    )
    return T("medicines", "Medicines.", columns, rows)


def _prescriptions(admissions: list, draws: Draws) -> T:
    rows: list[tuple] = []
    for admission in admissions:
        for medicine in draws.some(range(1, len(MEDICINES) + 1), draws.whole(0, 4)):
            days = draws.whole(1, 14) if draws.chance(0.9) else None
            told = (draws.one((0.5, 1.0, 2.0, 3.0)), days, days_later(admission[4], draws.whole(0, 3)))
            rows.append((len(rows) + 1, admission[0], medicine, *told))
    columns = (
        C("id", "INTEGER", "prescription id"),
        C("admission_id", "INTEGER", "admission", refers="admissions.id"),
        C("medicine_id", "INTEGER", "medicine", refers="medicines.id"),
        C("daily_dose", "REAL", "daily dose", description="Units a day."),
        C("days", "INTEGER", "days", description="For how many days; missing where it is taken for good."),
        C("prescribed_on", "DATE", "prescription date"),
    )
    return T("prescriptions", "Medicines prescribed during a stay.", columns, rows)


def _lab_tests() -> T:
    rows = [(number, name, unit) for number, (name, unit, _, _) in enumerate(TESTS, start=1)]
    columns = (
        C("id", "INTEGER", "test id"),
        C("name", "TEXT", "test name"),
        C("unit", "TEXT", "unit", description="Unit of its results."),
    )
    return T("lab_tests", "Tests that the laboratory does.", columns, rows)


def _lab_results(admissions: list, draws: Draws) -> T:
    rows: list[tuple] = []
    for admission in admissions:
        for test in draws.some(range(1, len(TESTS) + 1), draws.whole(0, 5)):
            _, _, mean, spread = TESTS[test - 1]
            value = None if draws.chance(0.02) else round(max(0.1, draws.normal(mean, spread)), 1)
            rows.append((len(rows) + 1, admission[0], test, days_later(admission[4], draws.whole(0, 2)), value))
    columns = (
        C("id", "INTEGER", "result id"),
        C("admission_id", "INTEGER", "admission", refers="admissions.id"),
        C("test_id", "INTEGER", "test", refers="lab_tests.id"),
        C("measured_on", "DATE", "measurement date"),
        C("value", "REAL", "value", description="In the unit of the test; missing where the sample was spoilt."),
    )
    return T("lab_results", "Results of the laboratory.", columns, rows)


def _bills(admissions: list, draws: Draws) -> T:
    rows = []
    for id, *_, discharged, emergency in admissions:
        if discharged:
            amount = round(draws.amount(300, 5200) * (1.6 if emergency else 1.0), 2)
            paid = days_later(discharged, draws.whole(5, 120)) if draws.chance(0.85) else None
            rows.append((len(rows) + 1, id, amount, discharged, paid))
    columns = (
        C("id", "INTEGER", "bill id"),
        C("admission_id", "INTEGER", "admission", refers="admissions.id"),
        C("amount", "REAL", "amount", description="In euros."),
        C("billed_on", "DATE", "billing date"),
        C("paid_on", "DATE", "payment date", description="Missing where it is not paid."),
    )
    return T("bills", "Bills of stays that are over.", columns, rows, unique=(("admission_id",),))
