"""Checks a table of a recipe that names a function or a class and holds its arguments."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from edgekit.config import nearest

T = TypeVar("T")


class Choices(Generic[T]):
    """What a table may name, and the mistakes that were found in such tables.

    Args:
        key: which entry of a table is the name.
    """

    def __init__(self, key: str = "kind") -> None:
        self.mistakes: list[str] = []
        self._key = key

    def chosen(
        self, path: str, table: Mapping[str, Any], known: Mapping[str, Callable[..., T]]
    ) -> Callable[..., T] | None:
        """What a table names, with the arguments that it gives; `None` after a mistake.

        Args:
            path: of the table in its file.
            table: the name, and keyword arguments.
            known: what there is, by name.
        """
        name = table.get(self._key)
        at = f"{path}.{self._key}"
        if name is None:
            self.mistakes.append(f"{at}: is missing: {', '.join(sorted(known))}")
            return None
        if name not in known:
            self.mistakes.append(f"{at}: {name!r} is unknown; {nearest(str(name), list(known))}")
            return None
        settings = {key: value for key, value in table.items() if key != self._key}
        return self.bound(path, settings, known[name])

    def bound(
        self,
        path: str,
        settings: Mapping[str, Any],
        function: Callable[..., T],
        *,
        without: Iterable[str] = (),
    ) -> Callable[..., T] | None:
        """A function with keyword arguments from a table; `None` after a mistake.

        Args:
            path: of the table in its file.
            settings: the arguments.
            function: takes them; its annotations say of which type each is.
            without: arguments that are not the table's to give.
        """
        parameters = {
            name: parameter
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
            or (parameter.kind is parameter.POSITIONAL_OR_KEYWORD and inspect.isclass(function))
            if name not in without
        }
        before, given = len(self.mistakes), {}
        for name, value in settings.items():
            if name not in parameters:
                known = nearest(name, list(parameters))
                self.mistakes.append(f"{path}.{name}: unknown setting; {known}")
                continue
            try:
                given[name] = msgspec.convert(value, parameters[name].annotation)
            except msgspec.ValidationError as error:
                text, _, _ = str(error).partition(" - at `")
                self.mistakes.append(f"{path}.{name}: {text[:1].lower()}{text[1:]}")
        for name, parameter in parameters.items():
            if parameter.default is parameter.empty and name not in settings:
                self.mistakes.append(f"{path}.{name}: is missing")
        return partial(function, **given) if len(self.mistakes) == before else None
