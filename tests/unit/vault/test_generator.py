"""References and keys: random for people, repeatable for tests."""

from __future__ import annotations

from ansvar.vault.generator import RandomGenerator, SeededGenerator


def test_seeded() -> None:
    one, same, other = SeededGenerator(b"a"), SeededGenerator(b"a"), SeededGenerator(b"b")
    for tag in (b"t" * 32, b"u" * 32):
        for generation in (0, 1):
            assert one.reference(tag, generation) == same.reference(tag, generation)
            assert one.data_key(tag, generation) == same.data_key(tag, generation)
    made = [
        made
        for generator in (one, other)
        for tag in (b"t" * 32, b"u" * 32)
        for generation in (0, 1)
        for made in (generator.reference(tag, generation), generator.data_key(tag, generation)[:16])
    ]
    assert len(set(made)) == len(made) == 16


def test_random() -> None:
    generator = RandomGenerator()
    references = {generator.reference(b"t" * 32, 0) for _ in range(50)}
    keys = {generator.data_key(b"t" * 32, 0) for _ in range(50)}
    assert (len(references), len(keys)) == (50, 50)
    assert {len(reference) for reference in references} == {16}
    assert {len(key) for key in keys} == {32}
