"""The wallet as credits: a small view over balance, usage, top-ups and recharging, without tables of its own."""
