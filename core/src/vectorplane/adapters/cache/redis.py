"""Answers kept in Redis, for all workers and pods.

Epochs are random, so one that was lost (evicted, expired) never comes back as itself. A Redis that
comes back with an older state (a snapshot, a replica that was behind) would know neither the last
epochs nor that it does not. What it has lost for certain is its scripts, which live in no snapshot:
so whoever has to load ours again first starts a new generation, and all kept answers are worthless.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from vectorplane.ports.cache import CacheUnreachable, Look

AWAY_SECONDS = 1.0
"""How long readers leave a Redis alone that failed. Writers have to ask."""

_EPOCH_SECONDS = 86_400
_SCRIPT = """
-- KEYS: the generation, epochs, marks in the same order, and for a look the answer.
-- ARGV: what to do, something random, and for a write its name and the seconds of its mark.
local asked, random, writer, seconds = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local names = math.floor((#KEYS - 1) / 2)
local token = redis.call('GET', KEYS[1])
if not token then
  token = random
  redis.call('SET', KEYS[1], random)
end
local written = false
for i = 2, names + 1 do
  local epoch, mark = KEYS[i], KEYS[names + i]
  if asked == 'look' then
    local found = redis.call('GET', epoch)
    if not found then
      found = random
      redis.call('SET', epoch, random, 'EX', @EPOCH@)
    end
    token = token .. found
    written = written or redis.call('ZCOUNT', mark, now, '+inf') > 0
  else
    redis.call('SET', epoch, random, 'EX', @EPOCH@)
    redis.call('ZREMRANGEBYSCORE', mark, '-inf', now)
    if asked == 'begin' then
      redis.call('ZADD', mark, now + seconds, writer)
      local left = redis.call('PTTL', mark)
      if left < seconds * 1000 then redis.call('PEXPIRE', mark, math.ceil(seconds * 1000)) end
    else
      redis.call('ZREM', mark, writer)
    end
  end
end
if asked ~= 'look' then return 1 end
if written then return {} end
local kept = redis.call('GET', KEYS[#KEYS])
if kept and string.sub(kept, 1, #token) == token then
  return {token, string.sub(kept, #token + 1)}
end
return {token}
""".replace("@EPOCH@", str(_EPOCH_SECONDS))
_SHA = hashlib.sha1(_SCRIPT.encode()).hexdigest()


class RedisCache:
    """`AnswerCache` in Redis. `prefix` is for all services over one store, an answer is kept for
    `ttl` seconds, and a call takes `timeout` seconds at most. How much is kept is Redis' own
    `maxmemory`: whatever it evicts, no old answer comes of it."""

    def __init__(
        self,
        url: str,
        prefix: str,
        ttl: float,
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis: Any = Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._prefix = f"{prefix}:cache"
        self._ttl_ms = max(1, round(ttl * 1000))
        self._clock = clock
        self._away_until = 0.0

    async def look(self, names: Sequence[str], key: str) -> Look:
        found = await self._patiently(lambda: self._run("look", names, self._value(key)))
        if not found:
            return Look(None, None)
        return Look(found[1] if len(found) == 2 else None, found[0])

    async def keep(self, key: str, token: bytes, value: bytes) -> None:
        await self._patiently(
            lambda: self._call(
                lambda: self._redis.set(self._value(key), token + value, px=self._ttl_ms)
            )
        )

    async def begin(self, names: Sequence[str], writer: str, seconds: float) -> None:
        await self._run("begin", names, writer=writer, seconds=seconds)

    async def end(self, names: Sequence[str], writer: str) -> None:
        await self._run("end", names, writer=writer)

    async def version(self) -> str:
        found = await self._call(lambda: self._redis.info("server"))
        return str(found.get("redis_version", "unknown"))

    async def close(self) -> None:
        await self._redis.aclose()

    def _value(self, key: str) -> str:
        return f"{self._prefix}:answer:{key}"

    async def _run(
        self, asked: str, names: Sequence[str], *more: str, writer: str = "", seconds: float = 0
    ) -> Any:
        keys = [
            f"{self._prefix}:generation",
            *(f"{self._prefix}:epoch:{name}" for name in names),
            *(f"{self._prefix}:mark:{name}" for name in names),
            *more,
        ]
        arguments = (asked, secrets.token_urlsafe(12), writer, seconds)
        return await self._call(lambda: self._scripted(keys, arguments))

    async def _scripted(self, keys: Sequence[str], arguments: Sequence[str | float]) -> Any:
        try:
            return await self._redis.evalsha(_SHA, len(keys), *keys, *arguments)
        except NoScriptError:
            # Another life of this Redis. The order matters: nobody can look before it is loaded.
            await self._redis.set(keys[0], secrets.token_urlsafe(12))
            await self._redis.script_load(_SCRIPT)
            return await self._redis.evalsha(_SHA, len(keys), *keys, *arguments)

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """A call that can be left out: for a while after one failed, it is."""
        if self._clock() < self._away_until:
            raise CacheUnreachable("Redis did not answer a moment ago")
        return await call()

    async def _call(self, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._clock() + AWAY_SECONDS
            raise CacheUnreachable(f"Redis does not answer: {type(error).__name__}") from error
