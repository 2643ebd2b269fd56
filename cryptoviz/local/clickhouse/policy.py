"""What read-only users may use: tables, functions, formats, settings and limits, as lists; `guard.py` applies them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

# Overridable downwards only. Grafana asks for its own timeout plus 5 s, at most 65 s by default.
LIMITS = {
    "max_execution_time": 60,
    "max_memory_usage": 1_000_000_000,
    "max_rows_to_read": 2_000_000_000,
    "max_result_rows": 5_000_000,
    "max_result_bytes": 512 * 1024 * 1024,
    "max_temporary_data_on_disk_size_for_query": 1_000_000_000,
    # Half of the machine: eight readers with two threads each once kept an insert on two cores waiting for seconds.
    "max_threads": max(1, (os.cpu_count() or 2) // 2),
    # The server's own default. The statement's tree, too, is held in memory: 256 KiB of it come to 100 MB.
    "max_query_size": 256 * 1024,
}
# Of each read-only user; more wait for these. A slow one cannot keep another user waiting.
READERS_AT_ONCE = 4
# From a request's headers to its answer's last byte: waiting, running, and sending as slowly as the client reads.
READER_REQUEST_S = 120.0
READER_BODY_BYTES = 1 << 20
# Read-only users read ReplacingMergeTree tables without doubles unless their statement says otherwise.
READER_DEFAULTS = {"final": "1"}

SETTING_NAMES = frozenset(
    {
        *LIMITS,
        *("final", "limit", "offset", "extremes", "totals_mode", "max_block_size", "max_bytes_to_read"),
        *(
            "session_timezone",
            "additional_table_filters",
            "prefer_column_name_to_alias",
            "any_join_distinct_right_table_keys",
        ),
        *("cast_keep_nullable", "cast_string_to_dynamic_use_inference", "async_insert", "wait_for_async_insert"),
        *(
            "aggregate_functions_null_for_empty",
            "transform_null_in",
            "union_default_mode",
            "data_type_default_nullable",
        ),
        *("enable_positional_arguments", "use_query_cache", "read_overflow_mode", "connect_timeout", "receive_timeout"),
        *(
            "send_timeout",
            "allow_experimental_window_functions",
            "describe_compact_output",
            "use_index_for_in_with_subqueries",
        ),
        *("show_table_uuid_in_table_create_query_if_not_nil", "format_csv_delimiter", "format_csv_null_representation"),
        *("format_tsv_null_representation", "bool_true_representation", "bool_false_representation"),
    }
) - {"use_query_cache", "read_overflow_mode"}
SETTING_PREFIXES = (
    *(
        "output_format_json_",
        "output_format_csv_",
        "output_format_tsv_",
        "output_format_pretty_",
        "output_format_native_",
    ),
    *("output_format_parquet_", "output_format_arrow_", "output_format_markdown_", "output_format_decimal_"),
    *("input_format_", "date_time_", "join_", "group_by_", "optimize_", "query_plan_"),
)
# They begin like harmless ones and name a file to write.
REFUSED_SETTINGS = frozenset({"input_format_record_errors_file_path"})

# Not `errors`: it holds the texts of other users' errors, and in them pieces of their statements and data.
READABLE_SYSTEM_TABLES = frozenset(
    {
        *("one", "numbers", "numbers_mt", "zeros", "settings", "merge_tree_settings", "functions", "table_functions"),
        *("tables", "columns", "databases", "parts", "parts_columns", "formats", "data_type_families", "table_engines"),
        *("aggregate_function_combinators", "time_zones", "keywords", "contributors", "build_options", "metrics"),
        *("events", "asynchronous_metrics", "merges", "mutations", "detached_parts", "projections", "views"),
        *("data_skipping_indices", "dictionaries", "completions", "constraints"),
    }
)
INFORMATION_SCHEMA = frozenset({"information_schema", "INFORMATION_SCHEMA"})

TABLE_FUNCTIONS = frozenset(
    {
        *("numbers", "numbers_mt", "zeros", "zeros_mt", "primes", "values", "sqlstandardvalues", "view"),
        *("generate_series", "generateseries", "viewexplain"),
    }
)
# Their first argument may describe columns in a text, as CREATE TABLE does, with expressions for their values.
STRUCTURED_TABLE_FUNCTIONS = frozenset({"values", "sqlstandardvalues"})

# Categories of system.functions whose members only compute. Others are refused unless listed below.
FUNCTION_CATEGORIES = frozenset(
    {
        *("Null", "Comparison", "Distance", "String", "Tuple", "Encryption", "NumericIndexedVector", "Encoding"),
        *("String Search", "Arrays", "URL", "Hash", "Random Number", "Bit", "IP Address", "Map", "UUID", "Conditional"),
        *("Bitmap", "Financial", "Type Conversion", "Arithmetic", "QBit", "JSON", "Rounding", "Logical"),
        *("String Replacement", "String Splitting", "Time Series", "Time Window", "Mathematical", "Dates and Times"),
    }
)
FUNCTIONS = frozenset(
    {
        *(
            "_CAST",
            "caseWithExpression",
            "nested",
            "bar",
            "transform",
            "identity",
            "materialize",
            "toTypeName",
            "ignore",
        ),
        *(
            "toColumnTypeName",
            "version",
            "currentDatabase",
            "currentUser",
            "authenticatedUser",
            "currentRoles",
            "revision",
        ),
        *(
            "displayName",
            "hostName",
            "uptime",
            "buildId",
            "queryID",
            "initialQueryID",
            "currentQueryID",
            "connectionId",
        ),
        *("currentSchemas", "currentProfiles", "enabledProfiles", "enabledRoles", "serverUUID", "tcpPort", "shardNum"),
        *(
            "shardCount",
            "getSetting",
            "getSettingOrDefault",
            "globalVariable",
            "formatReadableSize",
            "formatReadableQuantity",
        ),
        *("formatReadableTimeDelta", "formatReadableDecimalSize", "parseReadableSize", "parseReadableSizeOrNull"),
        *("parseReadableSizeOrZero", "parseTimeDelta", "parseISO8601Duration", "neighbor", "runningDifference"),
        *("runningDifferenceStartingWithFirstValue", "runningAccumulate", "rowNumberInBlock", "rowNumberInAllBlocks"),
        *(
            "blockNumber",
            "blockSize",
            "visibleWidth",
            "isConstant",
            "countDigits",
            "digits",
            "indexHint",
            "partitionId",
        ),
        *("initializeAggregation", "finalizeAggregation", "variantElement", "variantType", "throwIf", "byteSize"),
        *(
            "defaultValueOfArgumentType",
            "defaultValueOfTypeName",
            "errorCodeToName",
            "getSizeOfEnumType",
            "getSubcolumn",
        ),
        *("lowCardinalityIndices", "lowCardinalityKeys", "minSampleSizeContinuous", "minSampleSizeConversion"),
        *(
            "normalizeQuery",
            "normalizeQueryKeepNames",
            "normalizedQueryHash",
            "normalizedQueryHashKeepNames",
            "formatQuery",
        ),
        *(
            "formatQueryOrNull",
            "formatQuerySingleLine",
            "formatQuerySingleLineOrNull",
            "tokenizeQuery",
            "highlightQuery",
        ),
        *("isDecimalOverflow", "dumpColumnStructure", "blockSerializedSize", "pgTableIsVisible"),
        *("colorSRGBToOKLCH", "colorSRGBToOKLAB", "colorOKLABToSRGB", "colorOKLCHToSRGB", "flipCoordinates"),
    }
)
# The engine looks at the time between blocks of rows. These take the square of what they are given, which is hours
# within one block, and nothing can stop them (as may those about polygons, hence no category "Geo").
UNSTOPPABLE_FUNCTIONS = frozenset(
    {
        *("editDistance", "editDistanceUTF8", "damerauLevenshteinDistance", "jaroSimilarity", "jaroWinklerSimilarity"),
        *("arrayLevenshteinDistance", "arrayLevenshteinDistanceWeighted", "arraySimilarity"),
        *("hasAny", "hasAll", "cutURLParameter"),
    }
)
# They name a file that holds their layout, or are no answer to an HTTP request.
REFUSED_FORMATS = frozenset(
    {
        *("template", "templateignorespaces", "capnproto", "protobuf", "protobufsingle", "protobuflist"),
        *("mysqlwire", "postgresqlwire"),
    }
)


@dataclass(frozen=True)
class Catalogue:
    """What this engine knows, read once at its start."""

    version: str
    timezone: str
    functions: Mapping[str, bool]
    """Every function's lower-case name, and whether read-only users may call it."""
    table_functions: frozenset[str]
    """Every table function's lower-case name."""
    formats: Mapping[str, str]
    """Every output format: its lower-case name and its proper one."""
    settings: frozenset[str]


@dataclass(frozen=True)
class Scope:
    """What one statement of a read-only user is judged against."""

    database: str
    """The database it may read in full, besides the harmless system tables."""
    current_database: str
    parameters: Mapping[str, str]
    catalogue: Catalogue
    is_view: Callable[[str], bool]
    """Whether `database` has a view of this name."""
    parse: Callable[[str], object]
    """The engine's own parse of a statement, as `Session.parse` gives it."""


def function_allowances(rows: Iterable[tuple[str, str, str, bool]]) -> dict[str, bool]:
    """Judge every function from (name, name it is an alias of, categories, is an aggregate)."""
    known = {name: (alias_to, categories, aggregate) for name, alias_to, categories, aggregate in rows}
    judged = {}
    for name, (alias_to, categories, aggregate) in known.items():
        original = alias_to or name
        _, original_categories, original_aggregate = known.get(original, ("", categories, aggregate))
        inside = {part.strip() for part in original_categories.split(",")}
        judged[name.lower()] = original not in UNSTOPPABLE_FUNCTIONS and (
            original_aggregate or original in FUNCTIONS or bool(inside and inside <= FUNCTION_CATEGORIES)
        )
    return judged


def may_read(scope: Scope, database: str, table: str) -> bool:
    """Whether a read-only user may read this table."""
    if database == scope.database or database in INFORMATION_SCHEMA:
        return True
    return database == "system" and table in READABLE_SYSTEM_TABLES


def may_set(name: str) -> bool:
    """Whether a read-only user may change this setting (within its limit, if it has one)."""
    return name not in REFUSED_SETTINGS and (name in SETTING_NAMES or name.startswith(SETTING_PREFIXES))
