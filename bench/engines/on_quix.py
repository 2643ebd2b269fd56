"""Quix Streams as its documentation has it: lists expanded, quotes grouped by symbol, a stateful `apply` on each.

quix.io/docs/quix-streams: "Processing & Transforming Data" ("Expanding collections into items", "Selecting Columns"),
"Grouping (re-keying) Data with GroupBy", "Stateful Applications" (a state is that of the message's key, so what comes
keyed by anything else is grouped first). Its count windows (`sliding_count_window`) say nothing until they are full,
and `Collect` would keep a symbol's last results until as many more came: so one result is one message, in batches, too.
"""

from __future__ import annotations

from quix_parts import application, one
from work import arguments, good

broker, source, target, shape = arguments()

app = application(broker, target)
frame = app.dataframe(app.topic(source, value_deserializer="json", key_deserializer="str"))
if shape == "single":
    frame = frame.filter(good)  # keyed by symbol as it comes
else:
    frame = frame.apply(lambda message: message["quotes"], expand=True).filter(good)
    frame = frame[["asset", "at", "price"]].group_by("asset")
frame.apply(one, stateful=True).to_topic(app.topic(target, value_serializer="json", key_serializer="str"))

if __name__ == "__main__":
    app.run()
