"""Classifiers that read no image: they find what the text alone gives away. scikit-learn, on hashed n-grams.

Both are linear and fitted by stochastic gradient descent in a fixed order, so every run gives the same result.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from ablative.trainables.data.tokens import PERSON

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Row = dict[str, Any]

NUM_FEATURES = 2**20
EPOCHS = 3
_BLOCK = 5_000
_LABELS = {"answer": "answer_label", "rationale": "rationale_label"}


class HypothesisClassifier:
    """Predicts the label of a hypothesis without its picture: unigrams and bigrams, logistic regression."""

    def __init__(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.linear_model import SGDClassifier

        self._features = HashingVectorizer(n_features=NUM_FEATURES, ngram_range=(1, 2), alternate_sign=False)
        self._model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=EPOCHS, tol=None, random_state=0)
        self._model.fit(self._features.transform(texts), labels)

    def wrong(self, texts: Sequence[str], labels: Sequence[str]) -> np.ndarray:
        """(N,) whether each text's label differs from the classifier's."""
        if not len(texts):
            return np.zeros(0, dtype=bool)
        found: np.ndarray = self._model.predict(self._features.transform(texts)) != np.asarray(labels)
        return found


class ChoiceScorer:
    """Computes for every token of a VCR choice how much a text-only model's loss rises without it.

    Two logistic regressions, one for answers and one for rationales, separate right from wrong choices. Their features
    are a choice's words and the words that it shares with the query: the question, for rationales with the right
    answer. Both are linear in the tokens, so removing a token removes its weights.
    """

    def __init__(self, rows: Callable[[], Iterable[Row]]) -> None:
        """`rows` gives the training rows afresh each time it is called."""
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.linear_model import SGDClassifier

        self._hasher = FeatureHasher(n_features=NUM_FEATURES, input_type="string", alternate_sign=False)
        self._models = {
            part: SGDClassifier(
                loss="log_loss", alpha=1e-6, learning_rate="invscaling", eta0=0.1, power_t=0.25, random_state=0
            )
            for part in _LABELS
        }
        for part in _LABELS:
            self._fit(part, rows)

    def scores(self, row: Row) -> Row:
        """Return a score row: `annot_id`, and `<part>_tokens` and `<part>_losses` for each choice of both parts."""
        found: Row = {"annot_id": row["annot_id"]}
        for part, label in _LABELS.items():
            choices, query = row[f"{part}_choices"], _query(row, part)
            found[f"{part}_tokens"] = choices
            found[f"{part}_losses"] = [
                self._losses(part, query, choice, row["objects"], right=place == row[label])
                for place, choice in enumerate(choices)
            ]
        return found

    def _fit(self, part: str, rows: Callable[[], Iterable[Row]]) -> None:
        for _ in range(EPOCHS):
            for block in _blocks(rows()):
                texts, labels = [], []
                for row in block:
                    query = _query(row, part)
                    for place, choice in enumerate(row[f"{part}_choices"]):
                        texts.append([name for token in _features(query, choice, row["objects"]) for name in token])
                        labels.append(place == row[_LABELS[part]])
                self._models[part].partial_fit(self._hasher.transform(texts), labels, classes=[False, True])

    def _losses(
        self, part: str, query: Sequence[Any], choice: Sequence[Any], objects: Sequence[str], *, right: bool
    ) -> list[float]:
        if not choice:
            return []
        model = self._models[part]
        hashed: csr_matrix = self._hasher.transform(_features(query, choice, objects))
        weights = np.asarray(hashed @ model.coef_[0])
        logits = weights.sum() + model.intercept_[0] - weights
        return [round(float(value), 7) for value in np.logaddexp(0.0, -logits if right else logits)]


def _query(row: Row, part: str) -> list[Any]:
    if part == "answer":
        return list(row["question"])
    return [*row["question"], *row["answer_choices"][row["answer_label"]]]


def _features(query: Sequence[Any], choice: Sequence[Any], objects: Sequence[str]) -> list[list[str]]:
    """Return the names of the features that each token of `choice` adds."""
    words = {token.lower() for token in query if isinstance(token, str)}
    tags = {tag for token in query if isinstance(token, list) for tag in token}
    return [_of_token(token, words, tags, objects) for token in choice]


def _of_token(token: Any, words: set[str], tags: set[int], objects: Sequence[str]) -> list[str]:
    if isinstance(token, str):
        word = token.lower()
        return [f"w:{word}", f"shared:{word}", "shared word"] if word in words else [f"w:{word}"]
    kind = PERSON if all(tag < len(objects) and objects[tag] == PERSON for tag in token) else "thing"
    shared = tags.intersection(token)
    return [f"tag:{kind}", f"shared tag:{kind}" if shared else f"new tag:{kind}"]


def _blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while block := list(itertools.islice(iterator, _BLOCK)):
        yield block
