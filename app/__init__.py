"""Seatline sells train seats over gRPC. The floors of this package are drawn in README.md; imports only go down."""
