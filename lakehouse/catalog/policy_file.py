"""access.yml becomes an `AccessPolicy`.

The keys are those of `access_document`; names of securables are read as `securable_names` says. Any problem makes all
of the file void: whoever reads it gets an error with all problems, and no policy. So that a file of which only the
beginning was written is never taken for the whole (the rest may deny), its last line must be `...`, YAML's sign for
the end of a document. Variables (`${…}`) are not replaced: who may see what does not depend on options of a command.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lakehouse.catalog.access_document import AccessModel, ColumnModel, FunctionModel, SecurableModel
from lakehouse.catalog.access_test_reading import read_access_test
from lakehouse.catalog.directory_reading import read_directory, read_principal
from lakehouse.catalog.expanding import expanded
from lakehouse.catalog.expression import read_expression
from lakehouse.catalog.function_text import make_function
from lakehouse.catalog.policy import AccessPolicy, ColumnMask, RowFilter, SqlFunction, Tagged
from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.catalog.rule_reading import Reading
from lakehouse.catalog.securable import METASTORE, Securable, SecurableKind
from lakehouse.catalog.securable_names import catalog_of, read_securable
from lakehouse.catalog.tag_condition import tag_key
from lakehouse.catalog.tag_policy_reading import read_tag_policy
from lakehouse.definition.bulk import keeping_all
from lakehouse.definition.document import Document
from lakehouse.definition.document import Path as DocumentPath
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.strict_model import checked
from lakehouse.definition.yaml_text import read_yaml
from lakehouse.errors import (
    DefinitionError,
    DefinitionErrors,
    DuplicateName,
    InvalidValue,
    SourceLocation,
)

_END = "..."


def read_policy(root: Path, spec: ProjectSpec) -> AccessPolicy:
    """The rules of the project's file, functions put in. Without a file there are no rules: nothing is allowed.

    Raises a DefinitionError, or DefinitionErrors with all problems.
    """
    return expanded(read_rules(root, spec))


def read_rules(root: Path, spec: ProjectSpec) -> AccessPolicy:
    """As `read_policy`, but expressions call their functions still: what recorded statements are folded over."""
    if spec.access is None:
        return AccessPolicy(catalog=catalog_of(spec))
    file = root / spec.access
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidValue("this file is not UTF-8 text; save it as UTF-8.", where=_at(spec.access, 1)) from None
    except OSError:
        raise InvalidValue(
            f"'access: {spec.access}' cannot be read; without its rules nothing is allowed.",
            where=_at(os.path.relpath(spec.file, root), 1),
        ) from None
    return policy_of(text, spec.access, catalog_of(spec))


@keeping_all()
def policy_of(text: str, file: str, catalog: str) -> AccessPolicy:
    """The rules that the text of `file` states for the project's `catalog`; expressions call their functions still.

    Raises a DefinitionError, or DefinitionErrors with all problems.
    """
    document = _document(text, file)
    model = checked(AccessModel, document, (), document.value, inside=f"'{file}'")
    reading = Reading(document, catalog)
    reading.directory = read_directory(model.principals, document, reading.problems)
    _stop_at(reading.problems)  # else every name in the file would be unknown
    policy = _Sections(model, reading).policy()
    _stop_at(reading.problems)
    expanded(policy)  # whether its functions can be put in
    return policy


def _document(text: str, file: str) -> Document:
    def refuse(scalar: str, path: DocumentPath, where: SourceLocation) -> str:
        raise InvalidValue("rules of access have no variables; '${' cannot stand here.", where=where)

    lines = text.rstrip().split("\n")
    if lines[-1].rstrip("\r") != _END:
        raise InvalidValue(
            "the file does not end with the line '...', so the rest of it may be missing; no rule of it is used.",
            where=_at(file, len(lines)),
            hint="If the file is whole, add a last line '...'.",
        )
    documents, problems = read_yaml(text, file, expand=refuse)
    _stop_at(list(problems))
    if len(documents) > 1:
        raise InvalidValue("this file holds one document, not several.", where=documents[1].where())
    if not documents:
        raise InvalidValue("the file states no rule.", where=_at(file, 1))
    return documents[0]


def _stop_at(problems: list[DefinitionError]) -> None:
    if problems:
        raise problems[0] if len(problems) == 1 else DefinitionErrors(problems)


def _at(file: str, line: int) -> SourceLocation:
    return SourceLocation(file, line)


class _Sections:
    """The parts of the file but its principals, read one by one; problems are kept by `reading`."""

    def __init__(self, model: AccessModel, reading: Reading) -> None:
        self.model, self.reading, self.document = model, reading, reading.document
        self.filters: list[RowFilter] = []
        self.masks: list[ColumnMask] = []
        self.tags: dict[Tagged, dict[str, str]] = {}
        self.declassified: dict[Tagged, str] = {}

    def policy(self) -> AccessPolicy:
        """What all of them state."""
        reading, model = self.reading, self.model
        empty = AccessPolicy(catalog=reading.catalog, directory=reading.directory)
        functions = self._functions()
        for name, securable in self._named(list(model.pipelines), "pipelines", SecurableKind.PIPELINE).items():
            reading.add_rules(model.pipelines[name], securable, ("pipelines", name))
        for name, securable in self._named(list(model.securables), "securables", None).items():
            self._securable(model.securables[name], securable, ("securables", name))
        if model.metastore is not None:
            reading.add_owner(model.metastore.owner, METASTORE, ("metastore", "owner"))
        policies = [reading.attempt(lambda n=n, m=m: read_tag_policy(n, m, reading)) for n, m in model.policies.items()]  # type: ignore[misc]
        tests = [
            reading.attempt(lambda i=i, m=m: read_access_test(i, m, reading))  # type: ignore[misc]
            for i, m in enumerate(model.access_tests)
        ]
        found = [policy for policy in policies if policy is not None]
        self._check_policy_names()
        return replace(
            empty,
            rules=tuple(reading.rules),
            owners=reading.owners,
            row_filters=tuple(self.filters),
            masks=tuple(self.masks),
            tag_policies=tuple(found),
            tags=self.tags,
            declassified=self.declassified,
            functions=functions,
            tests=tuple(test for test in tests if test is not None),
            run_as=reading.attempt(self._run_as),
        )

    def _named(self, names: list[str], section: str, kind: SecurableKind | None) -> dict[str, Securable]:
        """The securables that the keys of a section mean; no two mean the same."""
        found: dict[str, Securable] = {}
        first: dict[Securable, SourceLocation] = {}
        for name in names:
            where = self.document.where(section, name)
            securable = self.reading.attempt(lambda n=name, w=where: read_securable(n, self.reading.catalog, kind, w))  # type: ignore[misc]
            if securable in first:
                self.reading.problems.append(DuplicateName(name, first=first[securable], where=where))
            elif securable is not None:
                first[securable] = where
                found[name] = securable
        return found

    def _functions(self) -> dict[Securable, SqlFunction]:
        result = {}
        for name, securable in self._named(list(self.model.functions), "functions", SecurableKind.FUNCTION).items():
            model = self.model.functions[name]
            self.reading.add_rules(model, securable, ("functions", name))
            function = self.reading.attempt(lambda n=name, s=securable, m=model: self._function(n, s, m))  # type: ignore[misc]
            if function is not None:
                result[securable] = function
        return result

    def _function(self, name: str, securable: Securable, model: FunctionModel) -> SqlFunction:
        where = self.document.text_where("functions", name, "body")
        return make_function(securable, model.parameters, model.returns, model.body, where)

    def _securable(self, model: SecurableModel, securable: Securable, path: DocumentPath) -> None:
        reading = self.reading
        reading.add_rules(model, securable, path)
        is_table = securable.kind is SecurableKind.TABLE
        for key, there in (
            ("columns", model.columns),
            ("row_filter", model.row_filter),
            ("declassify", model.declassify),
        ):
            if there and not is_table:
                where = self.document.where(*path, key)
                reading.problems.append(InvalidValue(f"'{key}' goes with a table; '{securable}' is none.", where=where))
        if securable == METASTORE and model.tags:
            reading.problems.append(
                InvalidValue("the metastore has no tags.", where=self.document.where(*path, "tags"))
            )
        self._tags(Tagged(securable), model.tags, (*path, "tags"))
        if model.declassify is not None:
            self.declassified[Tagged(securable)] = model.declassify
        if not is_table:
            return
        first: dict[str, SourceLocation] = {}
        for column, said in model.columns.items():
            where = self.document.where(*path, "columns", column)
            if column.lower() in first:
                reading.problems.append(DuplicateName(column, first=first[column.lower()], where=where))
            first[column.lower()] = where
            self._column(said, securable, column, (*path, "columns", column))
        for index, row_filter in enumerate(model.row_filter):
            place = (*path, "row_filter") if len(model.row_filter) == 1 else (*path, "row_filter", index)
            name = row_filter.name or (f"{securable} row filter" + (f" {index + 1}" if index else ""))
            found = reading.attempt(
                lambda f=row_filter, n=name, p=place: RowFilter(  # type: ignore[misc]
                    name=n,
                    table=securable,
                    condition=read_expression(f.using, "the row filter", self.document.text_where(*p, "using")),
                    to=reading.principals(f.to, (*p, "to")),
                    exempt=reading.exempt(f.except_, (*p, "except")),
                    origin=str(self.document.where(*p)),
                )
            )
            if found is not None:
                self.filters.append(found)

    def _column(self, said: ColumnModel, table: Securable, column: str, path: DocumentPath) -> None:
        tagged = Tagged(table, column.lower())
        self._tags(tagged, said.tags, (*path, "tags"))
        if said.declassify is not None:
            self.declassified[tagged] = said.declassify
        if said.mask is None:
            return
        mask, place = said.mask, (*path, "mask")
        found = self.reading.attempt(
            lambda: ColumnMask(
                name=f"{table}.{column.lower()} mask",
                table=table,
                column=column.lower(),
                expression=read_expression(mask.using, "the mask", self.document.text_where(*place)),
                to=self.reading.principals(mask.to, (*place, "to")),
                exempt=self.reading.exempt(mask.except_, (*place, "except")),
                origin=str(self.document.where(*place)),
            )
        )
        if found is not None:
            self.masks.append(found)

    def _tags(self, tagged: Tagged, tags: dict[str, str], path: DocumentPath) -> None:
        for key, value in tags.items():
            where = self.document.where(*path, key)
            name = self.reading.attempt(lambda k=key, w=where: tag_key(k, w))  # type: ignore[misc]
            if name is None:
                continue
            if name in self.tags.setdefault(tagged, {}):
                self.reading.problems.append(DuplicateName(key, first=where, where=where))
            self.tags[tagged][name] = value

    def _check_policy_names(self) -> None:
        first: dict[str, SourceLocation] = {}
        for name in self.model.policies:
            where = self.document.where("policies", name)
            if name.lower() in first:
                self.reading.problems.append(DuplicateName(name, first=first[name.lower()], where=where))
            first[name.lower()] = where

    def _run_as(self) -> Principal | None:
        if self.model.run_as is None:
            return None
        where = self.document.where("run_as")
        found = read_principal(self.model.run_as, self.reading.directory, where)
        if found.kind is not PrincipalKind.SERVICE:
            raise InvalidValue(f"'{found}' is no service principal; runs are done by one.", where=where)
        return found
