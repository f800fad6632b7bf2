"""Sentences for the five emojis and word vectors for them, both made by this project.

Every sentence of ``emojis.csv`` was written for this course, most of them along a few constructions in which the
order of the words decides: negation ("I am not sad"), contrast ("the trip was awful but I am glad"), and a choice
between two things ("I prefer soup to tennis"). A model that averages word vectors cannot tell "soup to tennis" from
"tennis to soup".

The word vectors are drawn, not learned from text: the words of a topic lie around a common centre, related topics share
a direction, and man/woman, king/queen and their like differ by one common direction. They behave like GloVe in the
lesson, and are no source of knowledge about language. Some words of the sentences have no vector on purpose.
"""

import csv
from pathlib import Path

import numpy

LABELS = ("love", "sports", "happy", "sad", "food")
VECTOR_SIZE = 50

# topic: the family whose direction it shares, how far its words scatter, its words
_TOPICS = {
    "negation": ("grammar", 1.0, "not no never nobody without cannot nothing none neither nor"),
    "contrast": ("grammar", 1.0, "but just than instead however although yet rather"),
    "time": (
        "grammar",
        0.8,
        "now today tomorrow again always ever longer last first finally still soon later before after until when "
        "forever day night evening midnight minute friday saturday sunday mondays tuesdays summer winter holiday "
        "holidays week month year morning spring autumn",
    ),
    "pronoun": (
        "grammar",
        0.8,
        "i you we they us me them it my your our their its yours this that who what which whose",
    ),
    "verb to be": (
        "grammar",
        0.7,
        "am is are was were be been being has have had do did does will would can could should may might",
    ),
    "grammar": (
        "grammar",
        1.0,
        "a an the of to in on at for with from by as and or so very really too more most all some any each every "
        "other another over under around up down away out off here there if because into through about while far "
        "only also once such full well",
    ),
    "feeling good": (
        "pleasant",
        0.6,
        "happy glad cheerful delighted pleased thrilled excited proud merry lucky content",
    ),
    "feeling bad": (
        "unpleasant",
        0.6,
        "sad unhappy upset miserable lonely worried disappointed tired hurt afraid angry ill",
    ),
    "praise": (
        "pleasant",
        0.6,
        "great wonderful lovely perfect fantastic best better good nice excellent beautiful fun",
    ),
    "blame": ("unpleasant", 0.6, "awful horrible terrible bad boring worst worse wrong hard ugly dull ruined"),
    "joy": (
        "pleasant",
        0.7,
        "laughed laugh smile sing shining danced cheered clapped joke surprise prize cheers true sun sunshine "
        "birthday party wish perfectly passed music song friends",
    ),
    "sorrow": (
        "unpleasant",
        0.7,
        "cried cry tears lost broke failed missed stolen cancelled leaving goodbye alone rain hurts ignore "
        "shouted late pain trouble",
    ),
    "love": (
        "affection",
        0.7,
        "love loves loved adore adored cherish miss kiss kissed kisses hug hugs hold holds cuddle darling dear "
        "dearly heart hearts marry sweet tender gently roses valentine eyes arms caring like likes",
    ),
    "family": (
        "affection",
        0.6,
        "family parents grandparents children child baby twins friend cousin neighbour teacher doctor",
    ),
    "pets": ("affection", 0.6, "dog cat puppy kitten horse rabbit bird"),
    "names": ("names", 0.6, "tom anna peter mary lucy ben"),
    "sports": (
        "sports",
        0.6,
        "football tennis basketball hockey volleyball golf cricket badminton rugby baseball skiing",
    ),
    "sporting": (
        "sports",
        0.7,
        "game match race practice training ball team coach goals players captain cup final tournament club pool "
        "gym track train trains swims swimming ski jump jumped kicked ran laps scored won weights faster higher "
        "play plays stadium bat net pass",
    ),
    "food": (
        "food",
        0.6,
        "pasta soup bread rice salad pancakes noodles cheese apples strawberries curry chocolate pizza cake pie "
        "fish butter honey lemon melon tomatoes potatoes vegetables sandwiches toast sauce salt pepper tea milk "
        "egg",
    ),
    "eating": (
        "food",
        0.7,
        "eat eats ate dinner lunch breakfast supper meal hungry taste cook cooks baking fry grilled kitchen oven "
        "fridge menu waiter bakery slice bowl restaurant drink",
    ),
    "wanting": (
        "doing",
        0.9,
        "want wants prefer enjoy enjoyed skipped means comes let choose need wait hope think feel",
    ),
    "events": (
        "events",
        0.7,
        "weather film concert lesson picnic trip school visit journey competition flight test exam news plan "
        "class homework job record garden town beach home book letter letters drawing painting",
    ),
    "doing": (
        "doing",
        0.9,
        "come came go goes went give gave get got make made take took see saw say said saying tell told call "
        "write wrote bring brought put pick picked find left look looks start starts sleep sleeps finished "
        "learning driving visiting face keys gone bicycle fence tree stars hand word world house water",
    ),
    "counting": (
        "counting",
        0.8,
        "one two three four five nine ten hundred large small big little old young new long warm hot fresh",
    ),
}

# male and female word of each pair
_PAIRS = {
    "people": "man woman, boy girl, actor actress",
    "pronouns": "he she, him her, his hers",
    "kin": "father mother, dad mum, son daughter, brother sister, uncle aunt, grandpa grandma, husband wife",
    "royal": "king queen, prince princess, duke duchess, emperor empress, lord lady",
}


def load():
    """Return the project's own emoji sentences, split into training and test data.

    The classes are 0 love, 1 sports, 2 happy, 3 sad, 4 food, in the proportions of the original Emojify data. No
    sentence stands in both parts. The order is mixed and always the same.

    Returns:
        `((train_texts, train_labels), (test_texts, test_labels))`: lists of str, 2 to 10 words separated by single
        spaces, and int64 arrays of shape `(396,)` and `(168,)` with values 0 to 4.
    """
    return _read("train"), _read("test")


def word_vectors(seed=0):
    """Draw word vectors in which related words lie together; the same seed gives the same vectors.

    Args:
        seed: non-negative int that fixes the draw.

    Returns:
        `(words, vectors)`: a list of distinct lower-case words ordered by topic, and a float32 array of shape
        `(len(words), 50)` whose rows have lengths of about 5, as those of GloVe have. No row is kept for padding.

    Raises:
        ValueError: if `seed` is not a non-negative integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, numpy.integer)) or seed < 0:
        raise ValueError(f"seed: expected a non-negative integer, got {seed!r}; leave it out for the usual vectors.")
    generator = numpy.random.default_rng(seed)

    def direction():
        drawn = generator.normal(size=VECTOR_SIZE)
        return drawn / numpy.linalg.norm(drawn)

    families = {name: direction() for name in dict.fromkeys(family for family, *_ in _TOPICS.values())}
    words, rows = [], []
    for family, spread, topic_words in _TOPICS.values():
        centre = 0.7 * families[family] + 0.7 * direction()
        for word in topic_words.split():
            words.append(word)
            rows.append(centre + spread * direction())
    female, person = 0.5 * direction(), 0.7 * direction()
    kinds = {kind: 0.7 * direction() for kind in _PAIRS}
    for kind, pairs in _PAIRS.items():
        for pair in pairs.split(", "):
            own = 0.6 * direction()
            for word, side in zip(pair.split(), (-1, 1), strict=True):
                words.append(word)
                rows.append(person + kinds[kind] + own + side * female + 0.15 * direction())
    return words, (4 * numpy.stack(rows)).astype("float32")


def _read(split):
    with open(Path(__file__).with_suffix(".csv"), encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["split"] == split]
    order = numpy.random.default_rng(0).permutation(len(lines))
    texts = [lines[index]["sentence"] for index in order]
    labels = numpy.array([LABELS.index(lines[index]["label"]) for index in order], dtype="int64")
    return texts, labels
