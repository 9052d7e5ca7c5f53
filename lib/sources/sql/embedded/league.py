"""A football league of made-up clubs in real cities: seasons, players, matches, goals, cards and transfers."""

from __future__ import annotations

from lib.sources.sql.embedded.draws import Draws, days_later
from lib.sources.sql.embedded.places import Places
from lib.sources.sql.embedded.plan import ColumnPlan as C
from lib.sources.sql.embedded.plan import DatabasePlan
from lib.sources.sql.embedded.plan import TablePlan as T

SEASONS = (2021, 2022, 2023, 2024)
NAMES = ("United", "Rovers", "Athletic", "Wanderers", "City", "Sporting", "Dynamo", "Racing", "Rangers", "Union")
POSITIONS = (("forward", 6), ("midfielder", 3), ("defender", 1))


def plan_league(places: Places, draws: Draws) -> DatabasePlan:
    cities = draws.some([city for city in places.cities[:400] if city.name.isascii()], 12)
    clubs = [
        (n, f"{city.name} {draws.one(NAMES)}", n, draws.whole(1885, 1975)) for n, city in enumerate(cities, start=1)
    ]
    nations = places.countries[:60]
    players = _draw_players(clubs, nations, draws)
    matches = _draw_matches(clubs, draws)
    goals = _draw_goals(matches, players, draws)
    tables = (
        _seasons(),
        _nations(nations),
        _stadiums(cities, draws),
        _clubs(clubs),
        _coaches(clubs, nations, draws),
        _players(players),
        _contracts(players, draws),
        _referees(nations, draws),
        _matches(matches),
        _goals(goals),
        _cards(matches, players, draws),
        _transfers(players, clubs, draws),
        _standings(matches),
    )
    return DatabasePlan("football_league", tables)


def _draw_players(clubs: list, nations: list, draws: Draws) -> list[tuple]:
    """(id, first name, last name, position, nation, birth date, height, preferred foot, club)"""
    people = iter(draws.people(len(clubs) * 18))
    found = []
    for club in clubs:
        for number in range(18):
            position = "goalkeeper" if number < 2 else POSITIONS[0 if number < 7 else 1 if number < 13 else 2][0]
            height = round(draws.normal(189 if position == "goalkeeper" else 181, 6))
            foot = "left" if draws.chance(0.25) else "right" if draws.chance(0.95) else None
            birth = draws.date("1986-01-01", "2005-12-31")
            found.append(
                (len(found) + 1, *next(people), position, draws.skewed(nations)[0], birth, height, foot, club[0])
            )
    return found


def _draw_matches(clubs: list, draws: Draws) -> list[tuple]:
    """(id, season, matchday, date, home, away, home goals, away goals, attendance, referee); every pair meets twice."""
    strength = {club[0]: draws.amount(0.7, 1.9) for club in clubs}
    found: list[tuple] = []
    for season in SEASONS:
        for day, pairs in enumerate(_rounds([club[0] for club in clubs]), start=1):
            date = days_later(f"{season}-08-14", 7 * (day - 1) + (28 if day > 11 else 0))
            for home, away in pairs:
                goals = (_count_goals(strength[home] * 1.15, draws), _count_goals(strength[away] * 0.9, draws))
                attendance = (
                    None if season == 2021 and day < 4 else round(9000 * strength[home] * draws.amount(0.6, 1.6))
                )
                row = (len(found) + 1, season, day, date, home, away, *goals, attendance, draws.whole(1, 14))
                found.append(row)
    return found


def _rounds(clubs: list[int]) -> list[list[tuple[int, int]]]:
    """Everybody against everybody by turning a circle, then once more with the sides changed."""
    fixed, *others = clubs
    rounds = []
    for turn in range(len(others)):
        circle = [fixed, *others[turn:], *others[:turn]]
        half = len(circle) // 2
        pairs = list(zip(circle[:half], reversed(circle[half:]), strict=True))
        rounds.append([pair[::-1] if (turn + n) % 2 else pair for n, pair in enumerate(pairs)])
    return rounds + [[pair[::-1] for pair in pairs] for pairs in rounds]


def _count_goals(strength: float, draws: Draws) -> int:
    return sum(draws.chance(strength / 9) for _ in range(9))


def _draw_goals(matches: list, players: list, draws: Draws) -> list[tuple]:
    scorers: dict[int, list[tuple]] = {}
    weights = dict(POSITIONS)
    for player in players:
        scorers.setdefault(player[8], []).extend([player] * weights.get(player[3], 0))
    found: list[tuple] = []
    for match in matches:
        for club, number in ((match[4], match[6]), (match[5], match[7])):
            for minute in sorted(draws.whole(1, 90) for _ in range(number)):
                player = draws.one(scorers[club])
                found.append((len(found) + 1, match[0], player[0], minute, draws.chance(0.09)))
    return found


def _seasons() -> T:
    rows = [(year, f"{year}/{(year + 1) % 100}", f"{year}-08-14", f"{year + 1}-02-12") for year in SEASONS]
    columns = (
        C("year", "INTEGER", "season", description="Year in which the season begins."),
        C("name", "TEXT", "season name"),
        C("starts_on", "DATE", "start date"),
        C("ends_on", "DATE", "end date"),
    )
    return T("seasons", "Seasons of the league.", columns, rows)


def _nations(rows: list) -> T:
    columns = (C("code", "TEXT", "nation code"), C("name", "TEXT", "nation name"))
    return T("nations", "Countries that people come from.", columns, sorted(rows))


def _stadiums(cities: list, draws: Draws) -> T:
    kinds = ("Park", "Arena", "Ground", "Stadium", "Lane")
    rows = [
        (number, f"{last} {draws.one(kinds)}", city.name, draws.whole(12, 74) * 500, draws.whole(1921, 2018))
        for number, (city, (_, last)) in enumerate(zip(cities, draws.people(len(cities)), strict=True), start=1)
    ]
    columns = (
        C("id", "INTEGER", "stadium id"),
        C("name", "TEXT", "stadium name"),
        C("city", "TEXT", "city"),
        C("capacity", "INTEGER", "capacity", description="Number of spectators that it holds."),
        C("opened_year", "INTEGER", "opening year"),
    )
    return T("stadiums", "Grounds of the clubs.", columns, rows)


def _clubs(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "club id"),
        C("name", "TEXT", "club name"),
        C("stadium_id", "INTEGER", "home stadium", refers="stadiums.id"),
        C("founded_year", "INTEGER", "founding year"),
    )
    return T("clubs", "Clubs of the league.", columns, rows)


def _coaches(clubs: list, nations: list, draws: Draws) -> T:
    """Every club has one now; some had another before."""
    rows: list[tuple] = []
    people = iter(draws.people(3 * len(clubs)))
    for club in clubs:
        changed = draws.date("2021-09-01", "2024-06-30")
        if draws.chance(0.6):
            person = (*next(people), draws.skewed(nations)[0])
            rows.append((len(rows) + 1, *person, club[0], draws.date("2018-01-01", "2021-06-30"), changed))
        rows.append((len(rows) + 1, *next(people), draws.skewed(nations)[0], club[0], changed, None))
    columns = (
        C("id", "INTEGER", "coach id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("nation_code", "TEXT", "nation", refers="nations.code"),
        C("club_id", "INTEGER", "club", refers="clubs.id"),
        C("hired_on", "DATE", "hiring date"),
        C("left_on", "DATE", "leaving date", description="Missing for those who are still there."),
    )
    return T("coaches", "Coaches of the clubs, now and before.", columns, rows)


def _players(players: list) -> T:
    columns = (
        C("id", "INTEGER", "player id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("position", "TEXT", "position", values="goalkeeper, defender, midfielder or forward"),
        C("nation_code", "TEXT", "nation", refers="nations.code"),
        C("birth_date", "DATE", "birth date"),
        C("height_cm", "INTEGER", "height", description="In centimetres."),
        C("preferred_foot", "TEXT", "preferred foot", values="left or right; missing where not known"),
    )
    return T("players", "Players.", columns, [player[:8] for player in players])


def _contracts(players: list, draws: Draws) -> T:
    rows = []
    for player in players:
        first = draws.one((2021, 2021, 2021, 2022, 2023))
        rows += [(player[0], season, player[8], draws.whole(4, 180) * 10_000) for season in SEASONS if season >= first]
    columns = (
        C("player_id", "INTEGER", "player", refers="players.id"),
        C("season", "INTEGER", "season", refers="seasons.year"),
        C("club_id", "INTEGER", "club", refers="clubs.id"),
        C("salary", "INTEGER", "salary", description="For the season, in euros."),
    )
    return T("contracts", "Which player was under contract where.", columns, rows, key=("player_id", "season"))


def _referees(nations: list, draws: Draws) -> T:
    rows = [
        (number, *person, draws.skewed(nations)[0], draws.whole(2005, 2021))
        for number, person in enumerate(draws.people(14), start=1)
    ]
    columns = (
        C("id", "INTEGER", "referee id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("nation_code", "TEXT", "nation", refers="nations.code"),
        C("since_year", "INTEGER", "first year as a referee"),
    )
    return T("referees", "Referees.", columns, rows)


def _matches(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "match id"),
        C("season", "INTEGER", "season", refers="seasons.year"),
        C("matchday", "INTEGER", "matchday"),
        C("played_on", "DATE", "match date"),
        C("home_club_id", "INTEGER", "home club", refers="clubs.id"),
        C("away_club_id", "INTEGER", "away club", refers="clubs.id"),
        C("home_goals", "INTEGER", "home goals"),
        C("away_goals", "INTEGER", "away goals"),
        C("attendance", "INTEGER", "attendance", description="Number of spectators; missing where nobody was let in."),
        C("referee_id", "INTEGER", "referee", refers="referees.id"),
    )
    return T("matches", "Matches of the league.", columns, rows)


def _goals(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "goal id"),
        C("match_id", "INTEGER", "match", refers="matches.id"),
        C("player_id", "INTEGER", "scorer", refers="players.id"),
        C("minute", "INTEGER", "minute", description="Minute of play."),
        C("is_penalty", "BOOLEAN", "penalty", description="Whether it was a penalty."),
    )
    return T("goals", "Goals and who scored them.", columns, rows)


def _cards(matches: list, players: list, draws: Draws) -> T:
    of_club: dict[int, list] = {}
    for player in players:
        of_club.setdefault(player[8], []).append(player)
    rows: list[tuple] = []
    for match in matches:
        for player in draws.some(of_club[match[4]] + of_club[match[5]], draws.whole(0, 5)):
            rows.append((match[0], player[0], "red" if draws.chance(0.07) else "yellow", draws.whole(4, 90)))
    columns = (
        C("match_id", "INTEGER", "match", refers="matches.id"),
        C("player_id", "INTEGER", "player", refers="players.id"),
        C("colour", "TEXT", "colour", values="yellow or red"),
        C("minute", "INTEGER", "minute", description="Minute of play."),
    )
    return T("cards", "Cards shown to players.", columns, rows, key=("match_id", "player_id"))


def _transfers(players: list, clubs: list, draws: Draws) -> T:
    rows: list[tuple] = []
    for player in draws.some(players, 70):
        source = draws.one([club for club in clubs if club[0] != player[8]])
        fee = None if draws.chance(0.25) else draws.whole(1, 320) * 100_000
        rows.append((len(rows) + 1, player[0], source[0], player[8], draws.date("2020-06-01", "2021-07-31"), fee))
    columns = (
        C("id", "INTEGER", "transfer id"),
        C("player_id", "INTEGER", "player", refers="players.id"),
        C("from_club_id", "INTEGER", "former club", refers="clubs.id"),
        C("to_club_id", "INTEGER", "new club", refers="clubs.id"),
        C("moved_on", "DATE", "transfer date"),
        C("fee", "INTEGER", "fee", description="In euros; missing for free transfers."),
    )
    return T("transfers", "Players who moved between clubs.", columns, rows)


def _standings(matches: list) -> T:
    tables: dict[tuple[int, int], list[int]] = {}  # (season, club) -> points, wins, goals for, goals against
    for _, season, _, _, home, away, scored, conceded, *_ in matches:
        for club, own, other in ((home, scored, conceded), (away, conceded, scored)):
            entry = tables.setdefault((season, club), [0, 0, 0, 0])
            entry[0] += 3 if own > other else own == other
            entry[1] += own > other
            entry[2] += own
            entry[3] += other
    rows = []
    for season in SEASONS:
        clubs = [(club, entry) for (year, club), entry in tables.items() if year == season]
        ranked = sorted(clubs, key=lambda pair: (-pair[1][0], pair[1][3] - pair[1][2], pair[0]))
        rows += [(season, club, rank, *entry) for rank, (club, entry) in enumerate(ranked, start=1)]
    columns = (
        C("season", "INTEGER", "season", refers="seasons.year"),
        C("club_id", "INTEGER", "club", refers="clubs.id"),
        C("rank", "INTEGER", "rank", description="Place in the table, from 1."),
        C("points", "INTEGER", "points"),
        C("wins", "INTEGER", "wins"),
        C("goals_for", "INTEGER", "goals scored"),
        C("goals_against", "INTEGER", "goals conceded"),
    )
    return T("standings", "Final tables of the seasons.", columns, rows, key=("season", "club_id"))
