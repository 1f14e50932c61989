"""What vectorplane asks of the outside, one small Protocol each. Adapters fulfil them."""
