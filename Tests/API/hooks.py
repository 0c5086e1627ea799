"""What schemathesis has to know besides the document."""

import os

import hypothesis.internal.lambda_sources
import schemathesis
from hypothesis.internal.conjecture.engine import ConjectureRunner

# What is looked for are failures, no records: and looking for those breaks off in this version of hypothesis (IndexError in
# optimiser.py), whatever is tested.
ConjectureRunner.optimise_targets = lambda self, **options: None

# The names of strategies, for messages: those of lambdas are found by parsing their whole files, which takes most of the time and
# fails now and then in threads of Python 3.11 ("AST constructor recursion depth mismatch").
hypothesis.internal.lambda_sources.lambda_description = lambda function: "<lambda>"


@schemathesis.serializer("audio/wav")
def audio(context, value):
    """Speech is bytes, whatever its kind."""
    if isinstance(value, (bytes, str)):
        return getattr(value, "data", None) or (value if isinstance(value, bytes) else value.encode())
    return b""


@schemathesis.hook
def before_call(context, case, kwargs):
    query, body = case.query, case.body
    # A log that is followed has no end. Who asks so otherwise than in one of these ways is refused.
    if case.operation.path == "/api/logs" and isinstance(query, dict):
        if str(query.get("follow")).lower() in ("true", "1", "yes"):
            del query["follow"]
    # No provider is asked that isn't the one of this test: an address may be wrong, but it leads nowhere else.
    if case.operation.path.startswith("/api/providers") and isinstance(body, dict):
        address = body.get("base_url")
        if address is None or isinstance(address, str) and (not address or address.lower().startswith("http")):
            body["base_url"] = os.environ["PROVIDER"]
