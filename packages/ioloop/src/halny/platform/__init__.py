"""The place of `halny.platform.asyncio`."""
