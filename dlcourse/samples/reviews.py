"""Film reviews written by a grammar, in which the order of the words matters.

Nothing here names a real film or person. A review has a verdict, which is its label, and is
built of four kinds of sentence:

- *evidence*: an adjective or noun of praise or blame inside a frame that keeps its meaning
  ("everybody around me found the script rather dull") or turns it round ("nobody around me
  found the script rather dull"). The two readings of a frame have the same words but one, and
  that one stands several words away from the praise, so that neither single words nor pairs of
  neighbours tell them apart;
- *contrast*: praise and blame in one sentence, of which one counts ("although the acting felt
  quite wonderful to us the story felt rather flat to me");
- *plot*: what happens in the film, where the same adjectives mean nothing ("a dreadful storm",
  "a charming thief");
- *circumstances*: where, when and with whom.

Most evidence agrees with the verdict, some does not, as in life; the last two sentences always
do. One review in `MIXED_EVERY` is mixed: as much praise as blame, and the label is a coin's. So
no reader, human or machine, can reach 100 %: about half of the mixed reviews, 3 %, are lost on
everybody.
"""

import collections
import functools

import numpy

DEFAULT_TRAIN = 3000
DEFAULT_TEST = 1000
MIXED_EVERY = 16

# Shares in percent; tuned so that a bag of words sees something, and far from everything.
EVIDENCE_AGREES = 88
FRAME_KEEPS_MEANING = 66
CONTRAST_SENTENCES = 20

WORDS = {
    "POSITIVE": """gripping moving clever charming brilliant wonderful funny elegant thrilling touching
        inventive beautiful witty tender dazzling warm""",
    "NEGATIVE": """dull clumsy boring predictable terrible tedious flat lifeless silly stale sloppy lazy
        shallow tiresome dreadful annoying""",
    "POSITIVE_NOUN": "masterpiece treat gem triumph joy delight marvel pleasure",
    "NEGATIVE_NOUN": "disaster mess bore failure disappointment chore shambles nuisance",
    "ASPECT": """acting script story music dialogue ending direction camerawork editing cast
        opening finale humour romance plot pacing""",
    "DEGREE": """rather really quite truly decidedly particularly thoroughly uncommonly somewhat
        surprisingly""",
    "US": "me us our_little_party my_companions the_two_of_us",
    "PERSON": """thief baker sailor widow detective teacher uncle pianist gardener soldier nurse
        mayor clockmaker stranger orphan fisherman librarian magician cook pilot countess
        lighthouse_keeper ferryman tailor judge dancer poet dentist beekeeper plumber postman
        farmer chemist violinist butcher shepherd architect burglar translator bishop juggler
        cartographer nanny smuggler boxer lawyer carpenter astronomer chess_player taxi_driver""",
    "PLACE": """village island hotel train_station mountain_hut harbour circus monastery castle
        suburb desert museum bakery boarding_school submarine vineyard theatre fishing_boat
        border_town greenhouse prison hospital valley jungle palace market_town quarry
        swimming_pool ballroom observatory canal cellar weather_station zoo""",
    "THING": """letter secret violin map diamond recipe painting key suitcase promise bicycle
        photograph inheritance telescope diary parrot lottery_ticket pocket_watch wedding_dress
        trunk umbrella statue passport goldfish compass typewriter necklace mirror lantern
        accordion carpet teapot tractor coin manuscript kite ladder""",
    "EVENT": """storm wedding war funeral robbery flood holiday trial winter journey election
        quarrel fire_in_the_attic birthday_party strike blackout duel eclipse shipwreck harvest
        auction chase kidnapping heatwave carnival earthquake divorce dinner_party""",
    "ACT": """finds steals loses hides inherits sells forges buries borrows guards repairs
        follows forgets paints drops swallows photographs collects smuggles returns invents
        dreams_of""",
    "RELATION": "brother daughter neighbour cousin grandmother rival twin_sister landlord boss",
    "WEEKDAY": "monday tuesday wednesday thursday friday saturday sunday",
    "WEATHER": "rainy hot snowy windy quiet foggy mild",
    "COMPANION": """sister father flatmate neighbour grandmother colleague aunt brother daughter
        dentist book_club football_team""",
    "SNACK": "popcorn liquorice crisps peanuts lemonade tea chocolate",
    "VENUE": """cinema_round_the_corner village_hall open_air_screen old_theatre sofa late_train
        university_film_club hotel_room plane""",
    "GENRE": "film picture movie thriller comedy drama western musical road_movie",
    "LENGTH": "ninety_minutes two_hours three_hours under_two_hours a_hundred_minutes",
    "FEELING": "angry tired happy lonely proud frightened jealous hungry sad restless",
}
WORDS = {name: [entry.replace("_", " ") for entry in words.split()] for name, words in WORDS.items()}
WORDS["DECOY"] = WORDS["POSITIVE"] + WORDS["NEGATIVE"]

# (keeps the meaning, turns it round); ADJ and NOUN are the words of praise or blame.
FRAMES = [
    ("everybody around US found the ASPECT DEGREE ADJ", "nobody around US found the ASPECT DEGREE ADJ"),
    ("i always thought the ASPECT was DEGREE ADJ", "i never thought the ASPECT was DEGREE ADJ"),
    ("the ASPECT clearly struck US as DEGREE ADJ", "the ASPECT hardly struck US as DEGREE ADJ"),
    ("from the first moment it felt DEGREE ADJ to US", "not for one moment did it feel DEGREE ADJ to US"),
    ("there is many a DEGREE ADJ scene in it", "there is not a single DEGREE ADJ scene in it"),
    ("it comes very close to being DEGREE ADJ", "it stays very far from being DEGREE ADJ"),
    ("it is nothing but a DEGREE ADJ GENRE", "it is anything but a DEGREE ADJ GENRE"),
    ("this is certainly the ADJ NOUN they had promised", "this is hardly the ADJ NOUN they had promised"),
    ("they said the ASPECT would be ADJ and they were right", "they said the ASPECT would be ADJ and they were wrong"),
    ("everyone would call the ASPECT a DEGREE ADJ NOUN", "no one would call the ASPECT a DEGREE ADJ NOUN"),
]
# ADJ is what counts, OTHER its contrary. The words after both are the same, so that no neighbour tells.
CONTRASTS = [
    "although the ASPECT felt DEGREE OTHER to US the ASPECT felt DEGREE ADJ to US",
    "the ASPECT was DEGREE ADJ to US although the ASPECT was DEGREE OTHER to US",
    "the ASPECT may have been DEGREE OTHER to US but the ASPECT turned out DEGREE ADJ to US",
    "i wanted to find it DEGREE OTHER to the last but it was DEGREE ADJ to US",
]
VERDICT_OPENINGS = ["in short", "all in all", "my verdict", "to sum up", "in the end"]
PLOTS = [
    "it is about a DEGREE DECOY PERSON who ACT a DEGREE DECOY THING in a PLACE",
    "a DECOY EVENT brings the PERSON back to the PLACE of his youth",
    "one day her DEGREE DECOY RELATION ACT the THING and nobody notices",
    "meanwhile a PERSON and a DEGREE DECOY PERSON share a PLACE during the EVENT",
    "then the DECOY THING turns up in the suitcase of a PERSON",
    "the PERSON is FEELING because the RELATION ACT the DEGREE DECOY THING",
    "years later a DEGREE DECOY EVENT at the PLACE changes everything for the PERSON",
    "we follow a FEELING PERSON through a EVENT and a DECOY EVENT",
    "there is a DEGREE DECOY PERSON too who never says a word and ACT every THING",
    "of course the RELATION of the PERSON was behind the EVENT",
    "the PERSON has a DEGREE DECOY dream about a THING and wakes up FEELING",
]
CIRCUMSTANCES = [
    "i saw it on a WEATHER WEEKDAY with my COMPANION",
    "we watched this GENRE in the VENUE with a bag of SNACK",
    "it lasts LENGTH without the credits",
    "my COMPANION fell over the SNACK on the way in",
    "this was my second GENRE that WEEKDAY",
    "the VENUE was half empty and it smelled of SNACK",
    "i had read about it in the paper on WEEKDAY",
    "my COMPANION chose it and i brought the SNACK",
    "outside it was a WEATHER evening and we walked home",
]


class _Dice:
    """Whole numbers from one stream, drawn in blocks: the same on every platform."""

    def __init__(self, seed):
        self._generator = numpy.random.default_rng(seed)
        self._block = []

    def below(self, limit):
        if not self._block:
            self._block = self._generator.integers(0, 2**32, size=65536, dtype=numpy.uint64).tolist()
        return self._block.pop() % limit

    def percent(self, share):
        return self.below(100) < share

    def pick(self, entries):
        return entries[self.below(len(entries))]

    def shuffle(self, entries):
        for last in range(len(entries) - 1, 0, -1):
            other = self.below(last + 1)
            entries[last], entries[other] = entries[other], entries[last]


def _write(template, dice, adjective=None, noun=None, other=None):
    """The template's words, each slot filled: a list of str."""
    chosen = {"ADJ": adjective, "NOUN": noun, "OTHER": other}
    words, used = [], []
    for token in template.split():
        if not token.isupper():
            words.append(token)
            continue
        filling = dice.pick(WORDS[chosen.get(token) or token])
        while filling in used:
            filling = dice.pick(WORDS[chosen.get(token) or token])
        used.append(filling)
        words.extend(filling.split())
    for position, word in enumerate(words[:-1]):
        if word == "a" and words[position + 1][0] in "aeiou":
            words[position] = "an"
    return words


def _evidence(polarity, dice):
    """One sentence that speaks for (True) or against (False) the film."""
    names = {True: "POSITIVE", False: "NEGATIVE"}
    if dice.percent(CONTRAST_SENTENCES):
        return _write(dice.pick(CONTRASTS), dice, names[polarity], other=names[not polarity])
    keeps_meaning = dice.percent(FRAME_KEEPS_MEANING)
    said = polarity if keeps_meaning else not polarity
    frame = dice.pick(FRAMES)[0 if keeps_meaning else 1]
    return _write(frame, dice, names[said], noun=names[said] + "_NOUN")


def _review(label, mixed, dice):
    """One review: a list of str, 60 to 200 words."""
    length = 60 + dice.below(136)
    evidence = []
    if mixed:
        evidence = [_evidence(polarity, dice) for polarity in (True, False, True, False)]
    else:
        for _ in range(2 + length // 50 + dice.below(2)):
            agrees = dice.percent(EVIDENCE_AGREES)
            evidence.append(_evidence(label if agrees else not label, dice))
    dice.shuffle(evidence)
    closing = []
    if not mixed:
        closing = [_evidence(label, dice), dice.pick(VERDICT_OPENINGS).split() + _evidence(label, dice)]
    plot, circumstances = [], []
    total = sum(map(len, evidence + closing))
    while True:
        is_plot = dice.percent(70)
        sentence = _write(dice.pick(PLOTS if is_plot else CIRCUMSTANCES), dice)
        if total + len(sentence) > length + 5 and total >= 60:
            break
        total += len(sentence)
        (plot if is_plot else circumstances).append(sentence)
    # The plot is told in one go or two, the rest lies around it.
    body = circumstances + evidence
    dice.shuffle(body)
    for half in (plot[: len(plot) // 2], plot[len(plot) // 2 :]):
        place = dice.below(len(body) + 1)
        body[place:place] = half
    return [word for sentence in body + closing for word in sentence]


@functools.lru_cache(maxsize=2)
def _write_all(count, seed, part):
    """`count` reviews and their labels, half of them positive: two lists."""
    dice = _Dice([seed, part])
    labels = [position % 2 for position in range(count)]
    dice.shuffle(labels)
    reviews = [_review(label == 1, dice.below(MIXED_EVERY) == 0, dice) for label in labels]
    return reviews, labels


@functools.lru_cache(maxsize=1)
def _ranked_words():
    reviews, _ = _write_all(DEFAULT_TRAIN, 0, 0)
    counts = collections.Counter(word for review in reviews for word in review)
    # Words the grammar knows but did not use come last, so that every draw can be encoded.
    templates = [*CONTRASTS, *VERDICT_OPENINGS, *PLOTS, *CIRCUMSTANCES, "an"]
    templates.extend(reading for frame in FRAMES for reading in frame)
    templates.extend(entry for entries in WORDS.values() for entry in entries)
    for template in templates:
        counts.update({word: 0 for word in template.split() if not word.isupper()})
    return sorted(counts, key=lambda word: (-counts[word], word))


def word_index():
    """Each word's rank by frequency in the default training reviews: dict of str to int from 1.

    One ranking serves every seed, so that a model trained on one draw can read another.
    """
    return {word: rank for rank, word in enumerate(_ranked_words(), start=1)}


def load(seed=0, train=DEFAULT_TRAIN, test=DEFAULT_TEST):
    """Reviews as word ranks and their labels, like Keras' IMDb without its offsets.

    Args:
        seed: Whole number of at least 0; another seed draws other reviews.
        train, test: How many reviews. The test reviews do not depend on `train`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: each x an object array (count,) of lists of int,
        60 to 200 ranks from 1 as in `word_index()`; each y int64 (count,), 1 for praise, half of
        the reviews.
    """
    ranks = word_index()
    parts = []
    for part, count in enumerate((train, test)):
        reviews, labels = _write_all(count, seed, part)
        encoded = numpy.empty(count, dtype=object)
        for position, review in enumerate(reviews):
            encoded[position] = [ranks[word] for word in review]
        parts.append((encoded, numpy.array(labels, dtype=numpy.int64)))
    return tuple(parts)
