"""Kong 3.9 with a database, programmed through its Admin API.

rendering   what a wish is in Kong's own objects; pure
admin       calls: pages of what is ours, PUT and DELETE by id
answers     what an answer means for us, in words that carry no key
"""

from vectorplane.adapters.gateway.kong_admin.admin import KongAdmin

__all__ = ["KongAdmin"]
