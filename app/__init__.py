"""Seatline sells train seats over gRPC. docs/architecture.md draws the layers of this package; imports only go down."""
