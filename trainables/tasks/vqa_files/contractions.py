"""Contractions that the official VQA evaluation spells out with their apostrophes."""

from __future__ import annotations

_ONE_APOSTROPHE = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's I'm I've
isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't
somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's they'd
they'll they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd
who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
""".split()
_TWO_APOSTROPHES = """
couldn't've hadn't've he'd've I'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll you'd've
""".split()


def _made() -> dict[str, str]:
    found = {form.replace("'", ""): form for form in _ONE_APOSTROPHE}
    for form in _TWO_APOSTROPHES:
        first, second = (place for place, letter in enumerate(form) if letter == "'")
        found[form[:first] + form[first + 1 :]] = form
        found[form[:second] + form[second + 1 :]] = form
    # irregular entries of the official table, the misspelt one included
    found |= {"let's": "let's", "she's": "she's", "somebody'd": "somebodyd"}
    found |= dict.fromkeys(("ow's'at", "'ows'at", "'ow'sat"), "'ow's'at")
    found |= dict.fromkeys(("yall'd've", "y'alld've", "y'all'dve"), "y'all'd've")
    return found


CONTRACTIONS = _made()
"""Spelling as typed -> spelling that counts. Entries with a capital I never match, as in the official table."""
