"""Airlines that do not exist fly between airports that do."""

from __future__ import annotations

from lib.sources.sql.embedded.draws import Draws, days_later, minutes_later
from lib.sources.sql.embedded.places import Airport, Places, distance_km
from lib.sources.sql.embedded.plan import ColumnPlan as C
from lib.sources.sql.embedded.plan import DatabasePlan
from lib.sources.sql.embedded.plan import TablePlan as T

NUM_AIRPORTS, NUM_ROUTES, NUM_FLIGHTS, NUM_PASSENGERS, NUM_BOOKINGS = 90, 260, 1800, 700, 4200
AIRLINES = (
    ("Aurora Air", 1987, False), ("Bluefin Airways", 2004, True), ("Cormorant", 1961, False),
    ("Delta Reef", 2011, True),
    ("Ember Jet", 2008, True), ("Falkland Star", 1949, False), ("Gannet Air", 1995, False), ("Highline", 2016, True),
    ("Ibis International", 1933, False), ("Juniper Airways", 1978, False), ("Kestrel", 2001, True),
    ("Lumen Air", 2019, True),
)  # fmt: skip
MODELS = (
    ("Aerostar", "A90", 92, 3200, 1998), ("Aerostar", "A140", 146, 5200, 2003), ("Aerostar", "A220X", 228, 11800, 2014),
    ("Northwind", "N50", 50, 1900, 1992), ("Northwind", "N75", 78, 2600, 2007), ("Northwind", "N300", 310, 14200, 2010),
    ("Vektor", "V160", 164, 6100, 2016), ("Vektor", "V200", 198, 8900, 2018), ("Vektor", "V360", 356, 15400, 2021),
)  # fmt: skip
CLASSES = (("economy", 1.0), ("premium", 1.7), ("business", 3.2), ("first", 5.5))


def plan_aviation(places: Places, draws: Draws) -> DatabasePlan:
    airports = places.airports[:NUM_AIRPORTS]
    countries = {airport.city.country for airport in airports}
    names = [(code, name) for code, name in places.countries if code in countries]
    airlines = [
        (number, name, draws.one(names)[0], founded, low_cost)
        for number, (name, founded, low_cost) in enumerate(AIRLINES, start=1)
    ]
    models = [(number, *model) for number, model in enumerate(MODELS, start=1)]
    aircraft = _draw_aircraft(airlines, models, draws)
    routes = _draw_routes(airports, airlines, draws)
    pilots = _draw_pilots(airlines, draws)
    flights = _draw_flights(routes, aircraft, draws)
    passengers = _draw_passengers(names, draws)
    tables = (
        T(
            "countries",
            "Countries.",
            (C("code", "TEXT", "country code"), C("name", "TEXT", "country name")),
            sorted(names),
        ),
        _airports(airports),
        _airlines(airlines),
        _models(models),
        _aircraft(aircraft),
        _pilots(pilots),
        _routes(routes),
        _flights(flights),
        _crew(flights, routes, pilots, draws),
        _passengers(passengers),
        _bookings(flights, routes, passengers, draws),
        _checks(aircraft, draws),
    )
    return DatabasePlan("aviation", tables)


def _draw_aircraft(airlines: list, models: list, draws: Draws) -> list[tuple]:
    found = []
    for airline in airlines:
        for number in range(draws.whole(4, 11)):
            model = draws.one(models)
            built = draws.date(f"{model[5] + 1}-01-01", "2024-12-31")
            registration = f"{airline[2]}-{airline[1][:2].upper()}{chr(65 + number)}"
            found.append((registration, airline[0], model[0], built, draws.chance(0.06)))
    return found


def _draw_routes(airports: list[Airport], airlines: list, draws: Draws) -> list[tuple]:
    found: dict[tuple, tuple] = {}
    while len(found) < NUM_ROUTES:
        airline, (one, other) = draws.one(airlines), draws.some(airports, 2)
        if (airline[0], one.code, other.code) not in found:
            key = (airline[0], one.code, other.code)
            found[key] = (len(found) + 1, *key, distance_km(one, other), draws.chance(0.3))
    return list(found.values())


def _draw_pilots(airlines: list, draws: Draws) -> list[tuple]:
    found = []
    for number, (first, last) in enumerate(draws.people(160), start=1):
        captain = draws.chance(0.45)
        salary = draws.whole(90, 190) * 1000 if captain else draws.whole(48, 95) * 1000
        hired = draws.date("1995-01-01", "2024-06-30")
        found.append(
            (number, first, last, draws.one(airlines)[0], "captain" if captain else "first officer", hired, salary)
        )
    return found


def _draw_flights(routes: list, aircraft: list, draws: Draws) -> list[tuple]:
    of_airline: dict[int, list] = {}
    for plane in aircraft:
        of_airline.setdefault(plane[1], []).append(plane)
    found = []
    for number in range(1, NUM_FLIGHTS + 1):
        route = draws.skewed(routes)
        plane = draws.one(of_airline[route[1]])[0]
        departed = draws.time("2024-01-01", "2025-06-30")
        status = "cancelled" if draws.chance(0.03) else "diverted" if draws.chance(0.01) else "landed"
        delay = None if status == "cancelled" else max(-10, round(draws.normal(9, 24)))
        arrived = None if status == "cancelled" else minutes_later(departed, 35 + round(route[4] / 13.5) + delay)  # type: ignore[operator]
        code = f"{AIRLINES[route[1] - 1][0][:2].upper()}{100 + route[0]}"
        found.append((number, code, route[0], plane, departed, arrived, status, delay))
    return found


def _draw_passengers(countries: list, draws: Draws) -> list[tuple]:
    return [
        (number, first, last, draws.skewed(countries)[0], draws.date("1938-01-01", "2008-12-31"))
        + (draws.one(("bronze", "silver", "gold")) if draws.chance(0.4) else None,)
        for number, (first, last) in enumerate(draws.people(NUM_PASSENGERS), start=1)
    ]


def _airports(airports: list[Airport]) -> T:
    rows = [(a.code, a.name, a.city.name, a.city.country, a.elevation, a.latitude, a.longitude) for a in airports]
    columns = (
        C("iata_code", "TEXT", "airport code"),
        C("name", "TEXT", "airport name"),
        C("city", "TEXT", "city"),
        C("country_code", "TEXT", "country", refers="countries.code"),
        C("elevation_feet", "INTEGER", "elevation", description="Height above the sea in feet."),
        C("latitude", "REAL", "latitude"),
        C("longitude", "REAL", "longitude"),
    )
    return T("airports", "Airports of large cities.", columns, sorted(rows))


def _airlines(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "airline id"),
        C("name", "TEXT", "airline name"),
        C("country_code", "TEXT", "home country", refers="countries.code"),
        C("founded_year", "INTEGER", "founding year"),
        C("is_low_cost", "BOOLEAN", "low cost", description="Whether the airline is a low-cost one."),
    )
    return T("airlines", "Airlines.", columns, rows)


def _models(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "model id"),
        C("manufacturer", "TEXT", "manufacturer"),
        C("name", "TEXT", "model name"),
        C("seats", "INTEGER", "seats", description="Number of seats."),
        C("range_km", "INTEGER", "range", description="How far it flies, in kilometres."),
        C("first_flight_year", "INTEGER", "year of the first flight"),
    )
    return T("aircraft_models", "Models of aircraft.", columns, rows)


def _aircraft(rows: list) -> T:
    columns = (
        C("registration", "TEXT", "registration"),
        C("airline_id", "INTEGER", "airline", refers="airlines.id"),
        C("model_id", "INTEGER", "model", refers="aircraft_models.id"),
        C("built_on", "DATE", "construction date"),
        C("is_leased", "BOOLEAN", "leased", description="Whether the aircraft is leased."),
    )
    return T("aircraft", "Aircraft that airlines fly.", columns, rows)


def _pilots(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "pilot id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("airline_id", "INTEGER", "airline", refers="airlines.id"),
        C("rank", "TEXT", "rank", values="captain or first officer"),
        C("hired_on", "DATE", "hiring date"),
        C("salary", "INTEGER", "salary", description="Yearly salary in US dollars."),
    )
    return T("pilots", "Pilots of the airlines.", columns, rows)


def _routes(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "route id"),
        C("airline_id", "INTEGER", "airline", refers="airlines.id"),
        C("origin", "TEXT", "origin airport", refers="airports.iata_code"),
        C("destination", "TEXT", "destination airport", refers="airports.iata_code"),
        C("distance_km", "INTEGER", "distance", description="In kilometres."),
        C("is_seasonal", "BOOLEAN", "seasonal", description="Whether it is flown in one season only."),
    )
    about = "Connections that an airline offers."
    return T("routes", about, columns, rows, unique=(("airline_id", "origin", "destination"),))


def _flights(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "flight id"),
        C("flight_number", "TEXT", "flight number"),
        C("route_id", "INTEGER", "route", refers="routes.id"),
        C("registration", "TEXT", "aircraft", refers="aircraft.registration"),
        C("departed_at", "TIMESTAMP", "departure time"),
        C("arrived_at", "TIMESTAMP", "arrival time", description="Missing for cancelled flights."),
        C("status", "TEXT", "status", values="landed, diverted or cancelled"),
        C("delay_minutes", "INTEGER", "delay", description="Minutes after the planned time; negative for early ones."),
    )
    return T("flights", "Single flights along routes.", columns, rows)


def _crew(flights: list, routes: list, pilots: list, draws: Draws) -> T:
    of_airline: dict[int, list] = {}
    for pilot in pilots:
        of_airline.setdefault(pilot[3], []).append(pilot)
    rows = []
    for flight in flights:
        two = draws.some(of_airline[routes[flight[2] - 1][1]], 2)
        rows += [(flight[0], pilot[0], role) for pilot, role in zip(two, ("commander", "co-pilot"), strict=True)]
    columns = (
        C("flight_id", "INTEGER", "flight", refers="flights.id"),
        C("pilot_id", "INTEGER", "pilot", refers="pilots.id"),
        C("role", "TEXT", "role", values="commander or co-pilot"),
    )
    return T("flight_crew", "Pilots of each flight.", columns, rows, key=("flight_id", "pilot_id"))


def _passengers(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "passenger id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("country_code", "TEXT", "home country", refers="countries.code"),
        C("birth_date", "DATE", "birth date"),
        C("tier", "TEXT", "frequent flyer tier", values="bronze, silver or gold; missing for those who are none"),
    )
    return T("passengers", "People who book flights.", columns, rows)


def _bookings(flights: list, routes: list, passengers: list, draws: Draws) -> T:
    found: dict[tuple, tuple] = {}
    while len(found) < NUM_BOOKINGS:
        flight, passenger = draws.one(flights), draws.skewed(passengers)
        if (flight[0], passenger[0]) in found:
            continue
        name, factor = draws.skewed(CLASSES)
        price = round((40 + routes[flight[2] - 1][4] * draws.amount(0.05, 0.11, 4)) * factor, 2)
        booked = days_later(flight[4][:10], -draws.whole(1, 150))
        seat = f"{draws.whole(1, 38)}{draws.one('ABCDEF')}" if draws.chance(0.85) else None
        found[(flight[0], passenger[0])] = (len(found) + 1, flight[0], passenger[0], name, price, booked, seat)
    columns = (
        C("id", "INTEGER", "booking id"),
        C("flight_id", "INTEGER", "flight", refers="flights.id"),
        C("passenger_id", "INTEGER", "passenger", refers="passengers.id"),
        C("travel_class", "TEXT", "travel class", values="economy, premium, business or first"),
        C("price", "REAL", "price", description="In US dollars."),
        C("booked_on", "DATE", "booking date"),
        C("seat", "TEXT", "seat", description="Missing where none is chosen yet."),
    )
    about = "Seats that passengers booked."
    return T("bookings", about, columns, list(found.values()), unique=(("flight_id", "passenger_id"),))


def _checks(aircraft: list, draws: Draws) -> T:
    rows: list[tuple] = []
    for plane in aircraft:
        for _ in range(draws.whole(1, 5)):
            kind, days, cost = draws.skewed((("A", 1, 20), ("B", 3, 75), ("C", 12, 480), ("D", 45, 2600)))
            started = draws.date("2023-01-01", "2025-05-31")
            told = (
                started,
                days_later(started, days + draws.whole(0, 4)),
                round(cost * 1000 * draws.amount(0.7, 1.5), 2),
            )
            rows.append((len(rows) + 1, plane[0], kind, *told))
    columns = (
        C("id", "INTEGER", "check id"),
        C("registration", "TEXT", "aircraft", refers="aircraft.registration"),
        C("kind", "TEXT", "kind of check", values="A (light) to D (the whole aircraft)"),
        C("started_on", "DATE", "start date"),
        C("ended_on", "DATE", "end date"),
        C("cost", "REAL", "cost", description="In US dollars."),
    )
    return T("maintenance_checks", "Checks of aircraft in a workshop.", columns, rows)
