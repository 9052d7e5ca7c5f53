"""A university: departments, professors, courses with what they require, sections, students and their grades."""

from __future__ import annotations

from lib.sources.sql.embedded.draws import Draws
from lib.sources.sql.embedded.places import Places
from lib.sources.sql.embedded.plan import ColumnPlan as C
from lib.sources.sql.embedded.plan import DatabasePlan
from lib.sources.sql.embedded.plan import TablePlan as T

NUM_STUDENTS, YEARS = 420, (2021, 2022, 2023, 2024)
DEPARTMENTS = {
    "Mathematics": ("Algebra", "Analysis", "Geometry", "Probability", "Number Theory", "Topology"),
    "Physics": ("Mechanics", "Optics", "Thermodynamics", "Quantum Physics", "Astrophysics", "Acoustics"),
    "Chemistry": ("Organic Chemistry", "Inorganic Chemistry", "Spectroscopy", "Polymers", "Electrochemistry"),
    "Biology": ("Genetics", "Ecology", "Botany", "Zoology", "Microbiology", "Evolution"),
    "History": ("Ancient History", "Medieval History", "Economic History", "Archaeology", "Archives"),
    "Linguistics": ("Phonetics", "Syntax", "Semantics", "Typology", "Sociolinguistics"),
    "Economics": ("Microeconomics", "Macroeconomics", "Econometrics", "Game Theory", "Public Finance"),
    "Computer Science": ("Programming", "Algorithms", "Databases", "Networks", "Compilers", "Machine Learning"),
}
LEVELS = ("Introduction to {}", "Intermediate {}", "Advanced {}")
BUILDINGS = ("North Hall", "South Hall", "Observatory", "Old Library", "River House")


def plan_university(places: Places, draws: Draws) -> DatabasePlan:
    professors = _draw_professors(draws)
    courses, prerequisites = _draw_courses(draws)
    rooms = _draw_rooms(draws)
    sections = _draw_sections(courses, professors, rooms, draws)
    students = _draw_students(places.countries[:50], draws)
    tables = (
        _departments(draws),
        _professors(professors),
        _courses(courses),
        _prerequisites(prerequisites),
        _rooms(rooms),
        _sections(sections),
        _countries(places.countries[:50]),
        _students(students),
        _enrolments(sections, students, draws),
        _theses(students, professors, draws),
        _scholarships(),
        _awards(students, draws),
    )
    return DatabasePlan("university", tables)


def _draw_professors(draws: Draws) -> list[tuple]:
    found = []
    for number, (first, last) in enumerate(draws.people(64), start=1):
        rank = draws.skewed(("lecturer", "associate professor", "full professor"))
        salary = {"lecturer": 52, "associate professor": 71, "full professor": 96}[rank] * 1000 + draws.whole(
            0, 18
        ) * 500
        department = (number - 1) % len(DEPARTMENTS) + 1
        found.append((number, first, last, department, rank, draws.date("1988-09-01", "2023-09-01"), salary))
    return found


def _draw_courses(draws: Draws) -> tuple[list[tuple], list[tuple]]:
    courses: list[tuple] = []
    prerequisites: list[tuple] = []
    for number, (department, subjects) in enumerate(DEPARTMENTS.items(), start=1):
        letters = "".join(word[0] for word in department.split()) if " " in department else department[:2]
        for subject_number, subject in enumerate(subjects, start=1):
            for level in range(draws.whole(1, 3)):
                code = f"{letters.upper()}{(level + 1) * 100 + subject_number}"
                title = LEVELS[level].format(subject)
                courses.append((code, title, number, draws.one((3, 4, 5, 6, 8)), level + 1))
                if level:
                    prerequisites.append((code, f"{letters.upper()}{level * 100 + subject_number}"))
                if level and subject_number > 1 and draws.chance(0.4):
                    other = f"{letters.upper()}{100 + draws.whole(1, subject_number - 1)}"
                    prerequisites.append((code, other))
    return courses, prerequisites


def _draw_rooms(draws: Draws) -> list[tuple]:
    return [
        (number, building, floor * 100 + place, draws.whole(3, 40) * 5, draws.chance(0.7))
        for number, (building, floor, place) in enumerate(
            ((building, floor, place) for building in BUILDINGS for floor in (1, 2) for place in (1, 2, 3)), start=1
        )
    ]


def _draw_sections(courses: list, professors: list, rooms: list, draws: Draws) -> list[tuple]:
    """(course, year, term, professor, room, weekday)"""
    of_department: dict[int, list] = {}
    for professor in professors:
        of_department.setdefault(professor[3], []).append(professor)
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
    found = []
    for course in courses:
        for year in YEARS:
            for term in ("autumn", "spring"):
                if draws.chance(0.45):
                    room = draws.one(rooms)[0] if draws.chance(0.93) else None
                    professor = draws.one(of_department[course[2]])[0]
                    found.append((course[0], year, term, professor, room, draws.one(days)))
    return found


def _draw_students(countries: list, draws: Draws) -> list[tuple]:
    found = []
    for number, (first, last) in enumerate(draws.people(NUM_STUDENTS), start=1):
        entered = draws.one(YEARS)
        born = draws.date(f"{entered - 26}-01-01", f"{entered - 18}-06-30")
        major = draws.whole(1, len(DEPARTMENTS)) if draws.chance(0.9) else None
        found.append((number, first, last, draws.skewed(countries)[0], born, entered, major, draws.chance(0.2)))
    return found


def _departments(draws: Draws) -> T:
    rows = [
        (number, name, draws.one(BUILDINGS), draws.whole(8, 60) * 100_000, draws.whole(1850, 1995))
        for number, name in enumerate(DEPARTMENTS, start=1)
    ]
    columns = (
        C("id", "INTEGER", "department id"),
        C("name", "TEXT", "department name"),
        C("building", "TEXT", "building"),
        C("budget", "INTEGER", "budget", description="Yearly budget in euros."),
        C("founded_year", "INTEGER", "founding year"),
    )
    return T("departments", "Departments of the university.", columns, rows)


def _professors(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "professor id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("department_id", "INTEGER", "department", refers="departments.id"),
        C("rank", "TEXT", "rank", values="lecturer, associate professor or full professor"),
        C("hired_on", "DATE", "hiring date"),
        C("salary", "INTEGER", "salary", description="Yearly salary in euros."),
    )
    return T("professors", "Who teaches.", columns, rows)


def _courses(rows: list) -> T:
    columns = (
        C("code", "TEXT", "course code"),
        C("title", "TEXT", "course title"),
        C("department_id", "INTEGER", "department", refers="departments.id"),
        C("credits", "INTEGER", "credits"),
        C("level", "INTEGER", "level", description="From 1, introductory, to 3, advanced."),
    )
    return T("courses", "Courses that are offered.", columns, rows)


def _prerequisites(rows: list) -> T:
    columns = (
        C("course_code", "TEXT", "course", refers="courses.code"),
        C("required_code", "TEXT", "required course", refers="courses.code"),
    )
    about = "Which course requires which."
    return T("prerequisites", about, columns, sorted(set(rows)), key=("course_code", "required_code"))


def _rooms(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "room id"),
        C("building", "TEXT", "building"),
        C("number", "INTEGER", "room number"),
        C("capacity", "INTEGER", "capacity", description="Number of seats."),
        C("has_projector", "BOOLEAN", "projector", description="Whether it has a projector."),
    )
    return T("rooms", "Rooms for teaching.", columns, rows, unique=(("building", "number"),))


def _sections(rows: list) -> T:
    columns = (
        C("course_code", "TEXT", "course", refers="courses.code"),
        C("year", "INTEGER", "year"),
        C("term", "TEXT", "term", values="autumn or spring"),
        C("professor_id", "INTEGER", "professor", refers="professors.id"),
        C("room_id", "INTEGER", "room", refers="rooms.id", description="Missing for courses that are held online."),
        C("weekday", "TEXT", "weekday"),
    )
    return T("sections", "Courses as they were held in a term.", columns, rows, key=("course_code", "year", "term"))


def _countries(rows: list) -> T:
    columns = (C("code", "TEXT", "country code"), C("name", "TEXT", "country name"))
    return T("countries", "Countries that students come from.", columns, sorted(rows))


def _students(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "student id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("country_code", "TEXT", "home country", refers="countries.code"),
        C("birth_date", "DATE", "birth date"),
        C("entry_year", "INTEGER", "entry year"),
        C("major_id", "INTEGER", "major", refers="departments.id", description="Missing where none is chosen yet."),
        C("is_part_time", "BOOLEAN", "part time"),
    )
    return T("students", "Who studies.", columns, rows)


def _enrolments(sections: list, students: list, draws: Draws) -> T:
    rows: list[tuple] = []
    for course, year, term, *_ in sections:
        able = [student for student in students if student[5] <= year]
        for student in draws.some(able, draws.whole(4, 22)):
            grade = None if draws.chance(0.06) else min(100, max(20, round(draws.normal(74, 13))))
            rows.append((student[0], course, year, term, grade))
    columns = (
        C("student_id", "INTEGER", "student", refers="students.id"),
        C("course_code", "TEXT", "course"),
        C("year", "INTEGER", "year"),
        C("term", "TEXT", "term", values="autumn or spring"),
        C("grade", "INTEGER", "grade", description="From 0 to 100; missing for those who gave up."),
    )
    section = ("course_code", "year", "term")
    return T(
        "enrolments",
        "Which student took which section.",
        columns,
        rows,
        key=("student_id", *section),
        foreign_keys=((section, "sections", section),),
    )


def _theses(students: list, professors: list, draws: Draws) -> T:
    topics = [subject for subjects in DEPARTMENTS.values() for subject in subjects]
    forms = ("Notes on {}", "A Study of {}", "Problems in {}", "{} Revisited", "Foundations of {}", "{} in Practice")
    rows = []
    for student in draws.some([student for student in students if student[5] <= 2022], 120):
        title = draws.one(forms).format(draws.one(topics))
        handed_in = draws.date(f"{student[5] + 3}-03-01", f"{student[5] + 3}-09-30")
        grade = draws.whole(55, 100) if draws.chance(0.9) else None
        rows.append(
            (len(rows) + 1, student[0], draws.one(professors)[0], title, handed_in, grade, draws.whole(38, 160))
        )
    columns = (
        C("id", "INTEGER", "thesis id"),
        C("student_id", "INTEGER", "author", refers="students.id"),
        C("supervisor_id", "INTEGER", "supervisor", refers="professors.id"),
        C("title", "TEXT", "title"),
        C("handed_in_on", "DATE", "submission date"),
        C("grade", "INTEGER", "grade", description="From 0 to 100; missing where it is not graded yet."),
        C("pages", "INTEGER", "pages", description="Number of pages."),
    )
    return T("theses", "Theses of students.", columns, rows, unique=(("student_id",),))


SCHOLARSHIPS = (
    (1, "Harbour Grant", 2400, "merit"), (2, "Lighthouse Fund", 6000, "need"), (3, "Founders' Prize", 10000, "merit"),
    (4, "Bridge Bursary", 1500, "need"), (5, "Atlas Fellowship", 8200, "travel"),
)  # fmt: skip


def _scholarships() -> T:
    columns = (
        C("id", "INTEGER", "scholarship id"),
        C("name", "TEXT", "scholarship name"),
        C("amount", "INTEGER", "amount", description="Yearly amount in euros."),
        C("kind", "TEXT", "kind", values="merit, need or travel"),
    )
    return T("scholarships", "Scholarships that students can win.", columns, list(SCHOLARSHIPS))


def _awards(students: list, draws: Draws) -> T:
    rows = []
    for student in draws.some(students, 140):
        for scholarship in draws.some(SCHOLARSHIPS, draws.skewed((1, 1, 2))):
            rows.append((student[0], scholarship[0], draws.whole(student[5], 2024)))
    columns = (
        C("student_id", "INTEGER", "student", refers="students.id"),
        C("scholarship_id", "INTEGER", "scholarship", refers="scholarships.id"),
        C("year", "INTEGER", "year"),
    )
    return T("awards", "Who won which scholarship.", columns, rows, key=("student_id", "scholarship_id"))
