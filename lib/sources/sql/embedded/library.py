"""A public library: authors, books, copies in branches, members, loans and fines."""

from __future__ import annotations

from lib.sources.sql.embedded.draws import Draws, days_later
from lib.sources.sql.embedded.places import Places
from lib.sources.sql.embedded.plan import ColumnPlan as C
from lib.sources.sql.embedded.plan import DatabasePlan
from lib.sources.sql.embedded.plan import TablePlan as T

NUM_AUTHORS, NUM_BOOKS, NUM_MEMBERS, NUM_LOANS = 90, 320, 350, 2600
GENRES = ("novel", "poetry", "history", "science", "travel", "biography", "crime", "fantasy", "cookery", "children")
ADJECTIVES = (
    "Silent",
    "Golden",
    "Broken",
    "Hidden",
    "Northern",
    "Last",
    "Paper",
    "Crooked",
    "Distant",
    "Burning",
    "Salt",
)
NOUNS = (
    "River",
    "Garden",
    "Letters",
    "Winter",
    "Harbour",
    "Mirror",
    "Orchard",
    "Road",
    "Clock",
    "Island",
    "Bridge",
    "Song",
)
BRANCHES = ("Central", "Riverside", "Hilltop", "Market Square", "Old Mill", "Station")


def plan_library(places: Places, draws: Draws) -> DatabasePlan:
    countries, languages = places.countries[:45], [places.code(id) for id in places.ids("language")]
    spoken = [
        code for code in ("eng", "fra", "deu", "spa", "por", "ara", "jpn", "hin", "rus", "ita") if code in languages
    ]
    books = _draw_books(spoken, draws)
    copies = _draw_copies(books, draws)
    members = _draw_members(draws)
    loans = _draw_loans(copies, members, draws)
    tables = (
        T(
            "countries",
            "Countries.",
            (C("code", "TEXT", "country code"), C("name", "TEXT", "country name")),
            sorted(countries),
        ),
        _languages(places, spoken),
        _authors(countries, draws),
        _publishers(countries, draws),
        _genres(),
        _books(books),
        _book_authors(books, draws),
        _branches(draws),
        _copies(copies),
        _members(members),
        _loans(loans),
        _fines(loans, draws),
        _reservations(books, members, draws),
    )
    return DatabasePlan("public_library", tables)


def _draw_books(languages: list, draws: Draws) -> list[tuple]:
    """(id, title, genre, publisher, language, year, pages, isbn)"""
    titles = draws.some([f"The {adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS], 110)
    titles += draws.some([f"{noun} of the {other}" for noun in NOUNS for other in NOUNS if noun != other], 110)
    titles += draws.some([f"{one} and {other}" for one in NOUNS for other in NOUNS if one != other], 100)
    found = []
    for number, title in enumerate(titles[:NUM_BOOKS], start=1):
        isbn = f"979-{draws.whole(100000, 999999)}-{number:03}" if draws.chance(0.9) else None
        row = (draws.skewed(range(1, len(GENRES) + 1)), draws.whole(1, 18), draws.skewed(languages))
        found.append((number, title, *row, draws.whole(1950, 2024), draws.whole(60, 880), isbn))
    return found


def _draw_copies(books: list, draws: Draws) -> list[tuple]:
    found = []
    for book in books:
        for _ in range(draws.skewed((1, 2, 3, 5))):
            condition = draws.skewed(("good", "worn", "new", "damaged"))
            bought = draws.date(f"{max(book[5], 1990)}-06-01", "2025-01-31")
            row = (book[0], draws.skewed(range(1, len(BRANCHES) + 1)), bought, draws.amount(6, 60), condition)
            found.append((len(found) + 1, *row))
    return found


def _draw_members(draws: Draws) -> list[tuple]:
    found = []
    for number, (first, last) in enumerate(draws.people(NUM_MEMBERS), start=1):
        born, joined = draws.date("1940-01-01", "2015-12-31"), draws.date("2017-01-01", "2024-12-31")
        kind = "child" if born > "2008" else draws.skewed(("adult", "student", "senior"))
        left = days_later(joined, draws.whole(200, 1500)) if draws.chance(0.1) else None
        found.append((number, first, last, kind, born, joined, left, draws.whole(1, len(BRANCHES))))
    return found


def _draw_loans(copies: list, members: list, draws: Draws) -> list[tuple]:
    """(id, copy, member, borrowed, due, returned)"""
    found = []
    for number in range(1, NUM_LOANS + 1):
        copy, member = draws.skewed(copies), draws.skewed(members)
        borrowed = draws.date(max(copy[3], member[5], "2021-01-01"), "2025-06-15")
        kept = draws.skewed((9, 14, 20, 26, 33, 60))
        returned = days_later(borrowed, kept) if draws.chance(0.95) else None
        found.append((number, copy[0], member[0], borrowed, days_later(borrowed, 28), returned))
    return found


def _languages(places: Places, codes: list) -> T:
    rows = [(code, places.label(f"language:{code}")) for code in sorted(codes)]
    columns = (C("code", "TEXT", "language code"), C("name", "TEXT", "language name"))
    return T("languages", "Languages of the books.", columns, rows)


def _authors(countries: list, draws: Draws) -> T:
    rows = []
    for number, (first, last) in enumerate(draws.people(NUM_AUTHORS), start=1):
        born = draws.whole(1890, 1992)
        died = born + draws.whole(45, 90)
        rows.append((number, first, last, draws.skewed(countries)[0], born, died if died < 2024 else None))
    columns = (
        C("id", "INTEGER", "author id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("country_code", "TEXT", "country", refers="countries.code"),
        C("birth_year", "INTEGER", "birth year"),
        C("death_year", "INTEGER", "year of death", description="Missing for living authors."),
    )
    return T("authors", "Who writes.", columns, rows)


def _publishers(countries: list, draws: Draws) -> T:
    kinds = ("Press", "Books", "House", "& Co.", "Editions")
    rows = [
        (number, f"{last} {draws.one(kinds)}", draws.skewed(countries)[0], draws.whole(1820, 2012))
        for number, (_, last) in enumerate(draws.people(18), start=1)
    ]
    columns = (
        C("id", "INTEGER", "publisher id"),
        C("name", "TEXT", "publisher name"),
        C("country_code", "TEXT", "country", refers="countries.code"),
        C("founded_year", "INTEGER", "founding year"),
    )
    return T("publishers", "Who prints.", columns, rows)


def _genres() -> T:
    columns = (C("id", "INTEGER", "genre id"), C("name", "TEXT", "genre name"))
    return T("genres", "Kinds of books.", columns, list(enumerate(GENRES, start=1)))


def _books(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "book id"),
        C("title", "TEXT", "title"),
        C("genre_id", "INTEGER", "genre", refers="genres.id"),
        C("publisher_id", "INTEGER", "publisher", refers="publishers.id"),
        C("language_code", "TEXT", "language", refers="languages.code"),
        C("published_year", "INTEGER", "publication year"),
        C("pages", "INTEGER", "pages", description="Number of pages."),
        C("isbn", "TEXT", "ISBN"),
    )
    return T("books", "Books, whether the library has one copy or more.", columns, rows)


def _book_authors(books: list, draws: Draws) -> T:
    rows = [
        (book[0], author, place)
        for book in books
        for place, author in enumerate(draws.some(range(1, NUM_AUTHORS + 1), draws.skewed((1, 1, 1, 2, 3))), start=1)
    ]
    columns = (
        C("book_id", "INTEGER", "book", refers="books.id"),
        C("author_id", "INTEGER", "author", refers="authors.id"),
        C("place", "INTEGER", "place", description="1 for the author who is named first."),
    )
    return T("book_authors", "Who wrote which book.", columns, rows, key=("book_id", "author_id"))


def _branches(draws: Draws) -> T:
    rows = [
        (number, name, draws.whole(1905, 2015), draws.whole(2, 30) * 100, draws.chance(0.5))
        for number, name in enumerate(BRANCHES, start=1)
    ]
    columns = (
        C("id", "INTEGER", "branch id"),
        C("name", "TEXT", "branch name"),
        C("opened_year", "INTEGER", "opening year"),
        C("area_m2", "INTEGER", "area", description="In square metres."),
        C("opens_on_sunday", "BOOLEAN", "open on Sundays"),
    )
    return T("branches", "Houses of the library.", columns, rows)


def _copies(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "copy id"),
        C("book_id", "INTEGER", "book", refers="books.id"),
        C("branch_id", "INTEGER", "branch", refers="branches.id"),
        C("bought_on", "DATE", "purchase date"),
        C("price", "REAL", "price", description="In euros."),
        C("condition", "TEXT", "condition", values="new, good, worn or damaged"),
    )
    return T("copies", "Single copies of books.", columns, rows)


def _members(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "member id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("kind", "TEXT", "kind of membership", values="adult, student, senior or child"),
        C("birth_date", "DATE", "birth date"),
        C("joined_on", "DATE", "joining date"),
        C("left_on", "DATE", "leaving date", description="Missing for those who are still members."),
        C("branch_id", "INTEGER", "home branch", refers="branches.id"),
    )
    return T("members", "Who borrows.", columns, rows)


def _loans(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "loan id"),
        C("copy_id", "INTEGER", "copy", refers="copies.id"),
        C("member_id", "INTEGER", "member", refers="members.id"),
        C("borrowed_on", "DATE", "borrowing date"),
        C("due_on", "DATE", "due date"),
        C("returned_on", "DATE", "return date", description="Missing while it is out."),
    )
    return T("loans", "Copies that members borrowed.", columns, rows)


def _fines(loans: list, draws: Draws) -> T:
    rows: list[tuple] = []
    for id, _, _, _, due, returned in loans:
        if returned and returned > due:
            paid = days_later(returned, draws.whole(0, 40)) if draws.chance(0.8) else None
            rows.append((len(rows) + 1, id, draws.whole(1, 24) * 0.5, "late return", paid))
        elif draws.chance(0.01):
            rows.append((len(rows) + 1, id, draws.amount(5, 40), "damage", None))
    columns = (
        C("id", "INTEGER", "fine id"),
        C("loan_id", "INTEGER", "loan", refers="loans.id"),
        C("amount", "REAL", "amount", description="In euros."),
        C("reason", "TEXT", "reason", values="late return or damage"),
        C("paid_on", "DATE", "payment date", description="Missing where it is not paid."),
    )
    return T("fines", "What members owe for late or damaged copies.", columns, rows)


def _reservations(books: list, members: list, draws: Draws) -> T:
    found: dict[tuple, tuple] = {}
    while len(found) < 300:
        book, member = draws.skewed(books)[0], draws.one(members)[0]
        status = draws.skewed(("collected", "waiting", "expired"))
        found.setdefault((book, member), (book, member, draws.date("2024-01-01", "2025-06-15"), status))
    columns = (
        C("book_id", "INTEGER", "book", refers="books.id"),
        C("member_id", "INTEGER", "member", refers="members.id"),
        C("reserved_on", "DATE", "reservation date"),
        C("status", "TEXT", "status", values="waiting, collected or expired"),
    )
    about = "Books that members wait for."
    return T("reservations", about, columns, list(found.values()), key=("book_id", "member_id"))
