"""What the made-up databases draw: people, dates, amounts. Equal seeds give equal draws."""

from __future__ import annotations

import datetime
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

FIRST_NAMES = (
    "Adaeze Agnes Ahmed Aiko Alejandro Alice Amara Amina Anders Anna Anton Arjun Astrid Ayşe Beatriz Bilal "
    "Camille Carlos Chen Chiara Clara Daniel Diego Dimitri Edith Elena Elif Emeka Emil Emma Erik Esther Fatima "
    "Felix Finn Gabriel Greta Hana Hassan Helena Henrik Hugo Ibrahim Ines Ingrid Isabel Ivan Jakub James Jana "
    "Javier Jonas Julia Kai Kamala Karim Katarina Kenji Kofi Lars Laura Leila Leon Lina Lucas Lucia Magnus Maria "
    "Marta Mateo Maya Mei Milan Mina Mohammed Nadia Naomi Natalia Nikolai Noah Nora Olga Oliver Omar Oscar Paula "
    "Pedro Petra Priya Rafael Rania Ravi Rosa Ruth Samir Sara Sofia Stefan Sven Tariq Tomás Valentina Vera Victor "
    "Wei Yara Yusuf Zofia Zuri"
).split()
LAST_NAMES = (
    "Abe Adeyemi Almeida Andersson Aziz Baker Banerjee Becker Bianchi Bauer Castillo Chen Clarke Costa Diallo "
    "Dubois Eriksen Evans Farouk Fernández Fischer Fontaine Fraser García Ghosh Gomes Haas Haddad Hansen "
    "Hernández Hoffmann Horvat Hughes Ibrahim Ito Ivanov Jansen Johansson Kaplan Kaur Keller Khan Kim Kovács "
    "Kowalski Kumar Larsen Laurent Lee Lindberg López Mahmoud Marino Martin Mbeki Mendes Meyer Mitchell Moreau "
    "Morris Mwangi Nakamura Nguyen Nielsen Novak Nowak Okafor Okoye Olsen Ortega Osei Park Patel Pereira Petrov "
    "Popescu Quinn Ramos Reyes Ricci Rivera Rossi Ruiz Saito Salazar Santos Sato Schmidt Schneider Sharma Silva "
    "Singh Smith Sokolov Suzuki Takahashi Tanaka Torres Tran Vargas Vega Virtanen Vogel Wagner Walker Wang Weber "
    "Weiss Williams Wilson Wong Yamamoto Yılmaz Young Zhang Zimmermann"
).split()


class Draws:
    """One stream of draws."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)

    def whole(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def one(self, things: Sequence[T]) -> T:
        return self._random.choice(things)

    def some(self, things: Sequence[T], number: int) -> list[T]:
        """Different things, in the order of the draw."""
        return self._random.sample(list(things), min(number, len(things)))

    def skewed(self, things: Sequence[T]) -> T:
        """Early things more often, as some customers buy more than others."""
        return things[int(len(things) * self._random.random() ** 1.7)]

    def amount(self, low: float, high: float, digits: int = 2) -> float:
        return round(self._random.uniform(low, high), digits)

    def normal(self, mean: float, spread: float, digits: int = 1) -> float:
        return round(self._random.gauss(mean, spread), digits)

    def date(self, first: str, last: str) -> str:
        start, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
        return (start + datetime.timedelta(days=self._random.randint(0, (end - start).days))).isoformat()

    def time(self, first: str, last: str) -> str:
        """A timestamp on a full five minutes."""
        return f"{self.date(first, last)} {self.whole(5, 23):02}:{5 * self.whole(0, 11):02}:00"

    def people(self, number: int) -> list[tuple[str, str]]:
        """(first name, last name); no two are equal."""
        pairs = self._random.sample(range(len(FIRST_NAMES) * len(LAST_NAMES)), number)
        return [(FIRST_NAMES[pair // len(LAST_NAMES)], LAST_NAMES[pair % len(LAST_NAMES)]) for pair in pairs]


def days_later(date: str, days: int) -> str:
    return (datetime.date.fromisoformat(date) + datetime.timedelta(days=days)).isoformat()


def minutes_later(time: str, minutes: int) -> str:
    return (datetime.datetime.fromisoformat(time) + datetime.timedelta(minutes=minutes)).isoformat(sep=" ")
