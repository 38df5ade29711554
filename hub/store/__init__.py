"""The store: tables, statements by topic, the one writer, blobs, migrations. Only this package knows SQL."""
