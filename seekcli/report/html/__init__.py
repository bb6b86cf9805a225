"""The report as one HTML file: no network, no script but the sorting of tables, readable on a phone and on paper."""
