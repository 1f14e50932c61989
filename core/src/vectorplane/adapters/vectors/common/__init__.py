"""What every vector-store adapter needs: one validator of points, searches and filters, so that all
engines refuse the same input with the same words and places, and refuse it before anything is
written."""
