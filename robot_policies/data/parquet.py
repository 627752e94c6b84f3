"""Parquet files of a data set as data, whoever wrote them: bounded, and of the shape that is said.

A file of a few hundred bytes can stand for 10^9 rows, or a row for 10^9 numbers. Both are seen in
the file's own description, and refused before anything is unpacked.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from robot_policies.interface import ConfigError

MAX_ROWS = 10_000_000  # of a file; 55 hours at 50 rows a second
MAX_BYTES = 4 << 30  # of what is read of a file
BATCH = 256  # rows; read at once
EPISODE_INDEX = "episode_index"
LISTED = ("string", "image")  # types whose values are no numbers

Features = Mapping[str, Mapping[str, Any]]


def count_rows(path: Path, features: Features) -> int:
    """Return how many rows a file has, if it holds what is said.

    Args:
        path: The file.
        features: LeRobot's description of its columns, `dtype` and `shape` by name.

    Raises:
        ConfigError: If it is no Parquet file, is too large, or a column is missing or of another
            width.
    """
    import pyarrow.parquet as pq

    with _refused(path):
        about = pq.read_metadata(path)
        groups = [about.row_group(number) for number in range(about.num_row_groups)]
        rows = sum(group.num_rows for group in groups)
        if not rows <= MAX_ROWS:
            raise ValueError(f"it claims {rows} rows, at most {MAX_ROWS} make sense")
        paths = [about.schema.column(leaf).path for leaf in range(about.num_columns)]
        leaves = [(n, name) for n, path in enumerate(paths) if (name := _feature(path, features))]
        for group in groups:
            held: dict[str, int] = {}
            for leaf, name in leaves:
                held[name] = max(held.get(name, 0), group.column(leaf).num_values)
            for name, feature in features.items():
                if name not in held:
                    raise ValueError(f"it has no column '{name}'")
                width = 1 if feature["dtype"] in LISTED else prod(feature["shape"])
                if held[name] != group.num_rows * width:
                    raise ValueError(
                        f"column '{name}' holds {held[name]} values in {group.num_rows} rows, "
                        f"expected {width} in each"
                    )
        return rows


def read_columns(path: Path, features: Features, episode: int | None = None) -> dict[str, Any]:
    """Read columns of a file, of one episode or of all.

    Args:
        path: The file.
        features: LeRobot's description of each column.
        episode: Its number.

    Returns:
        By name: a list of texts or pictures, or an array of shape (rows, ...). A single number
        has no axis of its own where LeRobot gives it none, (rows,).

    Raises:
        ConfigError: As of `count_rows`, or if values are missing or of another type or shape.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    count_rows(path, features)
    batches, size = [], 0
    with _refused(path):
        chosen = None if episode is None else ds.field(EPISODE_INDEX) == episode
        scanner = ds.dataset(path, format="parquet").scanner(
            columns=list(features),
            filter=chosen,
            batch_size=BATCH,
            batch_readahead=1,
            fragment_readahead=1,
        )
        for batch in scanner.to_batches():
            size += batch.nbytes
            if size > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES >> 30} GiB would be read at once")
            batches.append(batch)
        table = pa.Table.from_batches(batches, scanner.projected_schema)
        return {name: _values(table[name], name, about) for name, about in features.items()}


def read_texts(path: Path, names: Sequence[str]) -> list[str]:
    """Return a column of texts, whichever of the names it has.

    Raises:
        ConfigError: As of `read_columns`, or if there is none.
    """
    import pyarrow.parquet as pq

    with _refused(path):
        given = pq.read_schema(path).names
        name = next((name for name in names if name in given), None)
        if name is None:
            raise ValueError(f"it has none of the columns {list(names)}")
    return read_columns(path, {name: {"dtype": "string", "shape": [1]}})[name]


def _values(column: Any, name: str, feature: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    if feature["dtype"] in LISTED:
        kind = pa.types.is_struct if feature["dtype"] == "image" else pa.types.is_string
        if column.null_count or not kind(column.type):
            raise ValueError(f"column '{name}' holds {column.type}, expected {feature['dtype']}")
        return column.to_pylist()
    array, shape, rows = column.combine_chunks(), [], len(column)
    while not pa.types.is_primitive(array.type):
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif hasattr(array, "value_lengths"):  # a list of any kind
            lengths = array.value_lengths().unique().to_pylist()
            if len(lengths) > 1 or None in lengths:
                raise ValueError(f"column '{name}': its rows are of unequal length")
            shape.extend(lengths)
            array = array.flatten()
        else:
            break
    numbers = array.to_numpy(zero_copy_only=False)
    kinds = "iu" if "int" in feature["dtype"] else "biuf"
    if array.null_count or numbers.dtype.kind not in kinds:
        what = f"{array.null_count} missing values" if array.null_count else str(array.type)
        raise ValueError(f"column '{name}' holds {what}, expected {feature['dtype']}")
    if shape and shape != list(feature["shape"]):
        raise ValueError(
            f"column '{name}' has rows of shape {shape}, expected {list(feature['shape'])}"
        )
    return numbers.reshape(rows, *shape)


def _feature(path: str, features: Features) -> str | None:
    """Return whose values a leaf of the schema holds: `action.list.element` are `action`'s."""
    names = [name for name in features if path == name or path.startswith(f"{name}.")]
    return max(names, key=len, default=None)


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Name the file in whatever is wrong with it, in one line."""
    from pyarrow import ArrowException

    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no regular file")
        yield
    except (OSError, ValueError, KeyError, OverflowError, MemoryError, ArrowException) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
