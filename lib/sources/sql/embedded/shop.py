"""An online shop: products in categories, suppliers and stock, orders with their lines, payments and parcels."""

from __future__ import annotations

from lib.sources.sql.embedded.draws import Draws, days_later
from lib.sources.sql.embedded.places import Places
from lib.sources.sql.embedded.plan import ColumnPlan as C
from lib.sources.sql.embedded.plan import DatabasePlan
from lib.sources.sql.embedded.plan import TablePlan as T

NUM_CUSTOMERS, NUM_ORDERS = 400, 1500
CATEGORIES = {
    "Kitchen": ("Kettles", "Knives", "Pans", "Mugs"),
    "Garden": ("Tools", "Seeds", "Pots", "Furniture"),
    "Sports": ("Running", "Climbing", "Cycling", "Swimming"),
    "Office": ("Pens", "Notebooks", "Lamps", "Chairs"),
    "Toys": ("Puzzles", "Board games", "Blocks", "Kites"),
}
STYLES = (
    "Classic",
    "Nordic",
    "Compact",
    "Deluxe",
    "Urban",
    "Vintage",
    "Eco",
    "Pro",
    "Mini",
    "Royal",
    "Alpine",
    "Coastal",
)
SHIPPERS = (("Swift Parcel", 4.9), ("Blue Crane", 6.5), ("Night Owl", 11.0), ("Tortoise Post", 2.8))


def plan_shop(places: Places, draws: Draws) -> DatabasePlan:
    cities = places.cities[:150]
    categories, leaves = _number_categories()
    suppliers = _draw_suppliers(cities, draws)
    products = _draw_products(leaves, suppliers, draws)
    customers = _draw_customers(cities, draws)
    orders = _draw_orders(customers, draws)
    lines = _draw_lines(orders, products, draws)
    tables = (
        _categories(categories),
        _suppliers(suppliers),
        _products(products),
        _warehouses(cities, draws),
        _stock(products, draws),
        _customers(customers),
        _orders(orders),
        _order_lines(lines),
        _payments(orders, lines, draws),
        _shippers(),
        _shipments(orders, draws),
        _reviews(orders, lines, draws),
    )
    return DatabasePlan("online_shop", tables)


def _number_categories() -> tuple[list[tuple], list[tuple]]:
    rows: list[tuple] = [(number, name, None) for number, name in enumerate(CATEGORIES, start=1)]
    leaves = [
        (len(CATEGORIES) + number, name, parent)
        for number, (parent, name) in enumerate(
            ((parent, name) for parent, names in enumerate(CATEGORIES.values(), start=1) for name in names), start=1
        )
    ]
    return rows + leaves, leaves


def _draw_suppliers(cities: list, draws: Draws) -> list[tuple]:
    kinds = ("Works", "Trading", "& Sons", "Supplies", "Craft")
    return [
        (number, f"{last} {draws.one(kinds)}", city.name, city.country, draws.amount(2.5, 5.0, 1))
        for number, ((_, last), city) in enumerate(zip(draws.people(24), draws.some(cities, 24), strict=True), start=1)
    ]


def _draw_products(leaves: list, suppliers: list, draws: Draws) -> list[tuple]:
    found: list[tuple] = []
    for leaf in leaves:
        for style in draws.some(STYLES, draws.whole(5, 10)):
            cost = draws.amount(2, 120)
            price = round(cost * draws.amount(1.2, 2.4), 2)
            weight = None if draws.chance(0.1) else draws.whole(40, 9000)
            row = (f"{style} {leaf[1]}", leaf[0], draws.one(suppliers)[0], price, cost, weight)
            found.append((len(found) + 1, *row, draws.date("2018-01-01", "2024-03-31"), draws.chance(0.08)))
    return found


def _draw_customers(cities: list, draws: Draws) -> list[tuple]:
    found = []
    for number, (first, last) in enumerate(draws.people(NUM_CUSTOMERS), start=1):
        city = draws.skewed(cities)
        birth = draws.date("1945-01-01", "2006-12-31") if draws.chance(0.8) else None
        joined = draws.date("2019-01-01", "2024-06-30")
        row = (f"customer{number}@mail.example", city.name, city.country, birth, joined, draws.chance(0.35))
        found.append((number, first, last, *row))
    return found


def _draw_orders(customers: list, draws: Draws) -> list[tuple]:
    """(id, customer, date, status, discount)"""
    found = []
    for number in range(1, NUM_ORDERS + 1):
        customer = draws.skewed(customers)
        status = draws.skewed(("delivered", "delivered", "shipped", "returned", "cancelled"))
        discount = draws.one((5, 10, 15, 20)) if draws.chance(0.2) else None
        found.append((number, customer[0], draws.date(customer[7], "2025-06-30"), status, discount))
    return found


def _draw_lines(orders: list, products: list, draws: Draws) -> list[tuple]:
    found = []
    for order in orders:
        for line, product in enumerate(draws.some(products, draws.whole(1, 4)), start=1):
            found.append((order[0], line, product[0], draws.skewed((1, 1, 2, 3, 4, 6)), product[4]))
    return found


def _categories(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "category id"),
        C("name", "TEXT", "category name"),
        C("parent_id", "INTEGER", "parent category", refers="categories.id"),
    )
    return T("categories", "Categories of products, and the larger ones in which they lie.", columns, rows)


def _suppliers(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "supplier id"),
        C("name", "TEXT", "supplier name"),
        C("city", "TEXT", "city"),
        C("country_code", "TEXT", "country code", description="Two-letter ISO code."),
        C("rating", "REAL", "rating", description="From 1 to 5, 5 is best."),
    )
    return T("suppliers", "Who delivers the products.", columns, rows)


def _products(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "product id"),
        C("name", "TEXT", "product name"),
        C("category_id", "INTEGER", "category", refers="categories.id"),
        C("supplier_id", "INTEGER", "supplier", refers="suppliers.id"),
        C("price", "REAL", "price", description="What customers pay, in euros."),
        C("cost", "REAL", "purchase cost", description="What the shop pays, in euros."),
        C("weight_grams", "INTEGER", "weight", description="In grams."),
        C("listed_on", "DATE", "listing date", description="Day from which it is sold."),
        C("is_discontinued", "BOOLEAN", "discontinued"),
    )
    return T("products", "What the shop sells.", columns, rows)


def _warehouses(cities: list, draws: Draws) -> T:
    rows = [
        (number, f"{city.name} depot", city.name, city.country, draws.whole(8, 60) * 100)
        for number, city in enumerate(draws.some(cities[:40], 5), start=1)
    ]
    columns = (
        C("id", "INTEGER", "warehouse id"),
        C("name", "TEXT", "warehouse name"),
        C("city", "TEXT", "city"),
        C("country_code", "TEXT", "country code"),
        C("area_m2", "INTEGER", "area", description="In square metres."),
    )
    return T("warehouses", "Where products are kept.", columns, rows)


def _stock(products: list, draws: Draws) -> T:
    rows = [
        (warehouse, product[0], draws.whole(0, 240), draws.date("2025-01-01", "2025-06-30"))
        for warehouse in range(1, 6)
        for product in products
        if draws.chance(0.55)
    ]
    columns = (
        C("warehouse_id", "INTEGER", "warehouse", refers="warehouses.id"),
        C("product_id", "INTEGER", "product", refers="products.id"),
        C("quantity", "INTEGER", "quantity in stock"),
        C("counted_on", "DATE", "counting date"),
    )
    return T("stock", "How many pieces lie in which warehouse.", columns, rows, key=("warehouse_id", "product_id"))


def _customers(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "customer id"),
        C("first_name", "TEXT", "first name"),
        C("last_name", "TEXT", "last name"),
        C("email", "TEXT", "email address"),
        C("city", "TEXT", "city"),
        C("country_code", "TEXT", "country code"),
        C("birth_date", "DATE", "birth date", description="Missing where it was not given."),
        C("joined_on", "DATE", "joining date"),
        C("has_newsletter", "BOOLEAN", "newsletter", description="Whether the newsletter is wanted."),
    )
    return T("customers", "Who buys.", columns, rows, unique=(("email",),))


def _orders(rows: list) -> T:
    columns = (
        C("id", "INTEGER", "order id"),
        C("customer_id", "INTEGER", "customer", refers="customers.id"),
        C("ordered_on", "DATE", "order date"),
        C("status", "TEXT", "status", values="shipped, delivered, returned or cancelled"),
        C("discount_percent", "INTEGER", "discount", description="In percent; missing where there is none."),
    )
    return T("orders", "Orders of customers.", columns, rows)


def _order_lines(rows: list) -> T:
    columns = (
        C("order_id", "INTEGER", "order", refers="orders.id"),
        C("line_number", "INTEGER", "line number", description="From 1 in each order."),
        C("product_id", "INTEGER", "product", refers="products.id"),
        C("quantity", "INTEGER", "quantity"),
        C("unit_price", "REAL", "unit price", description="In euros, before the discount."),
    )
    return T("order_lines", "Products of each order.", columns, rows, key=("order_id", "line_number"))


def _payments(orders: list, lines: list, draws: Draws) -> T:
    totals: dict[int, float] = {}
    for order, _, _, quantity, price in lines:
        totals[order] = totals.get(order, 0.0) + quantity * price
    rows = []
    for id, _, date, status, discount in orders:
        if status != "cancelled":
            amount = round(totals[id] * (1 - (discount or 0) / 100), 2)
            method = draws.skewed(("card", "bank transfer", "wallet", "voucher"))
            rows.append((len(rows) + 1, id, method, amount, days_later(date, draws.skewed((0, 0, 1, 3, 9)))))
    columns = (
        C("id", "INTEGER", "payment id"),
        C("order_id", "INTEGER", "order", refers="orders.id"),
        C("method", "TEXT", "payment method", values="card, bank transfer, wallet or voucher"),
        C("amount", "REAL", "amount", description="In euros."),
        C("paid_on", "DATE", "payment date"),
    )
    return T("payments", "Payments of orders.", columns, rows)


def _shippers() -> T:
    rows = [(number, *shipper) for number, shipper in enumerate(SHIPPERS, start=1)]
    columns = (
        C("id", "INTEGER", "shipper id"),
        C("name", "TEXT", "shipper name"),
        C("base_fee", "REAL", "base fee", description="In euros for each parcel."),
    )
    return T("shippers", "Companies that bring parcels.", columns, rows)


def _shipments(orders: list, draws: Draws) -> T:
    rows: list[tuple] = []
    for id, _, date, status, _ in orders:
        if status != "cancelled":
            sent = days_later(date, draws.whole(0, 5))
            arrived = days_later(sent, draws.whole(1, 12)) if status in ("delivered", "returned") else None
            shipper = draws.skewed(range(1, len(SHIPPERS) + 1))
            rows.append((len(rows) + 1, id, shipper, draws.whole(1, 5), sent, arrived))
    columns = (
        C("id", "INTEGER", "shipment id"),
        C("order_id", "INTEGER", "order", refers="orders.id"),
        C("shipper_id", "INTEGER", "shipper", refers="shippers.id"),
        C("warehouse_id", "INTEGER", "warehouse", refers="warehouses.id"),
        C("sent_on", "DATE", "dispatch date"),
        C("arrived_on", "DATE", "arrival date", description="Missing while it is on its way."),
    )
    return T("shipments", "Parcels of orders.", columns, rows)


def _reviews(orders: list, lines: list, draws: Draws) -> T:
    found: dict[tuple, tuple] = {}
    for order, _, product, _, _ in lines:
        _, customer, date, status, _ = orders[order - 1]
        if status == "delivered" and (product, customer) not in found and draws.chance(0.3):
            stars = draws.skewed((5, 4, 4, 3, 2, 1))
            written = days_later(date, draws.whole(6, 60))
            found[(product, customer)] = (len(found) + 1, product, customer, stars, written, draws.whole(0, 30))
    columns = (
        C("id", "INTEGER", "review id"),
        C("product_id", "INTEGER", "product", refers="products.id"),
        C("customer_id", "INTEGER", "customer", refers="customers.id"),
        C("stars", "INTEGER", "stars", description="From 1 to 5, 5 is best."),
        C("written_on", "DATE", "review date"),
        C("helpful_votes", "INTEGER", "helpful votes", description="How many found it helpful."),
    )
    about = "What customers say of products."
    return T("reviews", about, columns, list(found.values()), unique=(("product_id", "customer_id"),))
