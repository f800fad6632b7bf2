"""Sentences for the five emojis and word vectors for them, both made by this project.

Every sentence was written for this course, most of them along a few constructions in which the order of the words
decides: negation ("I am not sad"), contrast ("the trip was awful but I am glad"), and a choice between two things
("I prefer soup to tennis"). A model that averages word vectors cannot tell "soup to tennis" from "tennis to soup".

The word vectors are drawn, not learned from text: the words of a topic lie around a common centre, related topics share
a direction, and man/woman, king/queen and their like differ by one common direction. They behave like GloVe in the
lesson, and are no source of knowledge about language. Some words of the sentences have no vector on purpose.
"""

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

_TRAIN = """
love a kiss for you my darling
love come here and give me a cuddle
love forever yours my darling
love grandma holds my hand so gently
love hugs and kisses from your granddaughter
love I adore my dog more every day
love I blew a kiss from the train
love I cannot wait to hold your hand
love I cherish my cat dearly
love I cherish my daughter with all my heart
love I cherish my husband with all my heart
love I cherish my puppy more every day
love I love my aunt more than hockey
love I love my aunt more than pancakes
love I love my baby brother more than cricket
love I love my cat more than bread
love I love my cat more than volleyball
love I love my cat with all my heart
love I love my daughter dearly
love I love my daughter more than rugby
love I love my dog more than football
love I love my father more every day
love I love my father more than rice
love I love my father more than soup
love I love my grandma more than pancakes
love I love my grandma more than pasta
love I love my grandpa more than salad
love I love my puppy more than cheese
love I love my son more than basketball
love I love my son more than strawberries
love I love my uncle dearly
love I love my uncle more than noodles
love I love my uncle more than pancakes
love I love my wife more every day
love I love my wife more than rugby
love I miss my aunt more every day
love I miss my best friend more every day
love I miss my daughter more every day
love I miss my grandma with all my heart
love I miss my little sister with all my heart
love I miss my mother dearly
love I miss my mother more every day
love I will marry you one day
love I wrote you a love letter
love my best friend comes before volleyball in my heart
love my cat means more to me than chocolate
love my daughter means more to me than pasta
love my dog means more to me than football
love my father means more to me than basketball
love my grandma means more to me than cheese
love my kitten comes before golf in my heart
love my kitten comes before rice in my heart
love my mother comes before strawberries in my heart
love my puppy means more to me than soup
love my son means more to me than volleyball
love my uncle comes before salad in my heart
love my wife means more to me than noodles
love our family means everything to me
love our kitten sleeps in my arms
love thank you for caring for me
love the twins are so sweet and tender
love we kissed under the stars
love you are the sunshine of my heart
love you will always be my sweetheart
love your eyes are beautiful
love your letters warm my heart
sports a new record in the long jump
sports bring your racket on saturday
sports he kicked the ball over the fence
sports he lifts weights before school
sports I love badminton more than curry
sports I love cricket more than apples
sports I love football more than apples
sports I love hockey more than noodles
sports I love hockey more than soup
sports I love rugby more than salad
sports I love tennis more than bread
sports I prefer badminton to pasta
sports I prefer football to chocolate
sports I prefer rugby to salad
sports I prefer volleyball to noodles
sports I skipped breakfast for training
sports I skipped dinner for training
sports I want badminton not apples
sports I want badminton not pancakes
sports I want badminton not pasta
sports I want basketball not chocolate
sports I want football not pasta
sports I want hockey not cheese
sports I want rugby not rice
sports I want rugby not salad
sports kick it over here quickly
sports meet me at the swimming pool
sports my aunt loves to play football
sports my baby brother loves to play football
sports my daughter loves to play basketball
sports my grandpa loves to play golf
sports my husband loves to play cricket
sports my husband loves to play rugby
sports my son loves to play football
sports my son loves to play golf
sports my uncle loves to play basketball
sports my wife loves to play basketball
sports my wife loves to play tennis
sports no apples today let us play hockey
sports no salad today let us play hockey
sports no strawberries today let us play golf
sports our captain scored two goals
sports our team scored in the last minute
sports she swims faster than her brother
sports the coach picked me for the team
sports the cup final is on sunday
sports the goalkeeper saved the penalty
sports the players shook hands after the final whistle
sports the referee blew the whistle
sports the striker headed it into the net
sports they ran ten laps around the track
sports we prefer basketball to apples
sports we prefer football to soup
sports we prefer tennis to strawberries
sports we prefer volleyball to curry
sports we skipped lunch for the game
sports who won the tennis tournament
happy Anna is no longer unhappy
happy Anna is not gloomy just cheerful
happy Anna is not hurt just joyful
happy Anna is not unhappy just happy
happy Anna is not worried
happy Anna is so proud
happy Anna is very excited
happy Anna is very joyful
happy Anna was lonely but now she is happy
happy everybody cheered and clapped
happy I am no longer upset
happy I am so cheerful
happy I am so pleased
happy I finally finished my book
happy I got the job
happy I passed my driving test
happy I was disappointed but now I am pleased
happy I was gloomy but now I am glad
happy it is finally snowing
happy my brother is never disappointed now
happy my brother is not at all gloomy
happy my brother is not at all hurt
happy my brother is not upset just glad
happy my brother was disappointed but now he is happy
happy my grandparents are visiting us tomorrow
happy my neighbour is not tired just proud
happy my neighbour is not unhappy
happy my neighbour was miserable but now she is proud
happy my neighbour was upset but now she is cheerful
happy my neighbour was upset but now she is glad
happy my painting won first prize
happy my parents are never sad on holiday
happy my parents are never worried here
happy my parents are no longer tired
happy my parents are not at all worried
happy my parents are really pleased
happy my parents are very excited
happy my parents are very happy
happy my parents were gloomy but now they are cheerful
happy my parents were sad but now they are pleased
happy my sister is no longer tired
happy my sister is not hurt just thrilled
happy my sister is not tired
happy my sister is not worried just joyful
happy my sister was upset but now she is delighted
happy my wish came true
happy our teacher is never disappointed here
happy our teacher is never lonely on holiday
happy our teacher is never worried on holiday
happy our teacher is not worried
happy our teacher is very excited
happy our teacher is very pleased
happy our teacher was tired but now she is proud
happy she grinned from ear to ear
happy thank you for the lovely gift
happy the baby said her first word
happy the children are never gloomy now
happy the children are no longer miserable
happy the children are not sad just joyful
happy the children are not tired
happy the children are really delighted
happy the concert was not awful at all
happy the concert was not boring at all
happy the concert was not terrible at all
happy the doctor said I am well again
happy the film was horrible but I am happy
happy the film was not bad at all
happy the film was not dreadful at all
happy the film was perfect
happy the holiday was bad but I am glad
happy the holiday was fantastic
happy the holiday was lovely
happy the lesson was awful but I am glad
happy the lesson was bad but I am glad
happy the lesson was terrible but I am pleased
happy the party was awful but I am pleased
happy the party was bad but I am thrilled
happy the party was not awful at all
happy the party was wonderful
happy the picnic was fantastic
happy the picnic was not bad at all
happy the picnic was not boring at all
happy the picnic was terrible but I am excited
happy the school play was brilliant
happy the school play was not bad at all
happy the school play was not boring at all
happy the school play was terrible but I am proud
happy the trip was boring but I am glad
happy the trip was wonderful
happy the visit was brilliant
happy the visit was not awful at all
happy the visit was not bad at all
happy the visit was terrible but I am thrilled
happy the weather was bad but I am delighted
happy the weather was horrible but I am proud
happy this is the best birthday ever
happy Tom is not lonely
happy Tom is not worried
happy Tom is very joyful
happy Tom really enjoyed the holiday
happy Tom really enjoyed the trip
happy we are no longer gloomy
happy we are not miserable
happy we are not miserable just cheerful
happy we are not worried
happy we are so thrilled
happy we laughed all evening
happy we really enjoyed the concert
happy we were upset but now we are cheerful
happy we won the music competition
happy what fun we had at the beach
happy what great news
happy you made me smile today
happy your joke made the whole class laugh
sad Anna did not enjoy the trip
sad Anna is no longer excited
sad Anna is no longer thrilled
sad Anna is not glad just miserable
sad Anna is not very glad
sad he left without saying goodbye
sad I am not proud
sad I am not very pleased
sad I am really unhappy
sad I cried all night
sad I did not enjoy the holiday
sad I did not enjoy the visit
sad I failed the exam
sad I feel alone in this town
sad I was pleased but now I am hurt
sad it hurts when you ignore me
sad my baby brother did not wait for me
sad my best friend moved away
sad my bicycle was stolen
sad my brother is never thrilled here
sad my brother is no longer glad
sad my brother is not excited just sad
sad my brother is so sad
sad my brother is so tired
sad my brother was joyful but now he is upset
sad my brother was pleased but now he is disappointed
sad my cousin did not write to me
sad my daughter did not call us
sad my father did not hug me today
sad my father did not wait for me
sad my father did not write to me
sad my grandma did not wait for me
sad my homework is far too hard
sad my keys are gone and it is late
sad my neighbour is never glad here
sad my neighbour is not delighted just upset
sad my neighbour is not very happy
sad my neighbour is very worried
sad my parents are no longer excited
sad my parents are not delighted just lonely
sad my parents are not thrilled just miserable
sad my parents are very sad
sad my parents were proud but now they are gloomy
sad my sister is so hurt
sad my sister is very lonely
sad my sister was delighted but now she is hurt
sad my sister was delighted but now she is tired
sad my son did not write to me
sad my uncle did not wait for me
sad nobody came to my party
sad our old dog is very ill
sad our teacher is never cheerful here
sad our teacher is not joyful
sad our teacher is not joyful just sad
sad our teacher is not proud
sad our teacher is really tired
sad our teacher is really unhappy
sad our teacher is so upset
sad our teacher was joyful but now she is hurt
sad tears ran down her face
sad the children are not delighted just gloomy
sad the children are not pleased
sad the children are not thrilled
sad the children are really disappointed
sad the concert was bad
sad the concert was lovely but I am hurt
sad the concert was not brilliant
sad the concert was wonderful but I am tired
sad the film was bad
sad the film was horrible
sad the film was perfect but I am lonely
sad the film was wonderful but I am lonely
sad the holiday was lovely but I am worried
sad the holiday was not lovely
sad the holiday was not perfect
sad the holiday was perfect but I am sad
sad the lesson was dreadful
sad the lesson was not great
sad the lesson was not wonderful
sad the lesson was perfect but I am worried
sad the party was boring
sad the party was not lovely
sad the party was not wonderful
sad the picnic was great but I am gloomy
sad the picnic was great but I am unhappy
sad the picnic was great but I am upset
sad the picnic was not brilliant
sad the school play was boring
sad the school play was not brilliant
sad the school play was not wonderful
sad the trip was not wonderful
sad the visit was fantastic but I am miserable
sad the visit was perfect but I am hurt
sad the weather was great but I am gloomy
sad the weather was not lovely
sad the weather was terrible
sad the weather was wonderful but I am worried
sad they shouted at us
sad Tom did not enjoy the holiday
sad Tom did not enjoy the lesson
sad Tom is never proud now
sad Tom is no longer happy
sad Tom is no longer joyful
sad Tom is not happy
sad Tom was delighted but now he is disappointed
sad we are never joyful here
sad we are never proud now
sad we are not delighted
food a bowl of porridge with raisins
food could you pass the salt please
food dinner is ready
food grandpa grilled fish in the garden
food I could eat a whole melon
food I love apples more than rugby
food I love curry more than tennis
food I love noodles more than volleyball
food I love pancakes more than cricket
food I love pasta more than cricket
food I love pasta more than volleyball
food I love strawberries more than cricket
food I love strawberries more than football
food I prefer cheese to basketball
food I prefer chocolate to cricket
food I prefer chocolate to tennis
food I prefer soup to volleyball
food I skipped practice for supper
food I skipped the race for dinner
food I want chocolate not basketball
food I want rice not rugby
food I want soup not volleyball
food I want strawberries not volleyball
food my aunt loves to cook curry
food my baby brother loves to eat rice
food my daughter loves to cook noodles
food my father loves to cook rice
food my grandpa loves to eat curry
food my husband loves to cook curry
food my husband loves to cook pasta
food my stomach is rumbling
food my wife loves to cook pancakes
food no basketball today let us have curry
food no cricket today let us have chocolate
food no hockey today let us have pasta
food no rugby today let us have pasta
food no tennis today let us have soup
food no volleyball today let us have noodles
food please taste this stew
food the bakery smells of warm bread
food the oven is hot and the dough has risen
food the waiter brought the menu
food there is soup in the kitchen
food toast with butter and honey
food Tom skipped practice for breakfast
food Tom skipped practice for supper
food we cook with fresh tomatoes
food we fry potatoes on friday
food we prefer rice to basketball
food we skipped the game for dinner
food we skipped the game for supper
"""

_TEST = """
love I adore my aunt with all my heart
love I cherish my grandpa with all my heart
love I love my aunt more every day
love I love my baby brother more every day
love I love my cat more every day
love I love my father more than cricket
love I love my mother more than soup
love I love my puppy more than volleyball
love I miss my daughter with all my heart
love my aunt means more to me than pancakes
love my cat means more to me than volleyball
love my daughter comes before chocolate in my heart
love my dear friend I think of you
love my dog means more to me than apples
love my father comes before chocolate in my heart
love my grandma comes before hockey in my heart
love my heart belongs to you
love my kitten comes before bread in my heart
love roses for my dear wife
love two hearts beating as one
love we adore our new puppy
sports I am learning to ski this winter
sports I love badminton more than pancakes
sports I love hockey more than rice
sports I love rugby more than soup
sports I prefer basketball to bread
sports I prefer hockey to soup
sports let us race to the tree
sports my daughter loves to play tennis
sports my daughter loves to play volleyball
sports my grandma loves to play tennis
sports my mother loves to play tennis
sports no noodles today let us play basketball
sports no pasta today let us play badminton
sports no pasta today let us play cricket
sports no rice today let us play golf
sports no salad today let us play basketball
sports our rowing club trains at dawn
sports she jumped higher than anyone
sports the marathon starts at nine
sports Tom skipped lunch for the game
sports we prefer cricket to bread
sports we skipped dinner for the match
sports we skipped lunch for practice
sports we train at the gym on tuesdays
happy all my friends came to the party
happy Anna is no longer gloomy
happy Anna really enjoyed the visit
happy cheers to all of you
happy hooray the holidays are here
happy I am never gloomy on holiday
happy I am not at all hurt
happy I am not worried just thrilled
happy I am really joyful
happy I really enjoyed the concert
happy I really enjoyed the trip
happy my brother was upset but now he is proud
happy my neighbour is no longer disappointed
happy my neighbour is not tired
happy my parents are not hurt
happy my parents are not sad
happy my parents were miserable but now they are pleased
happy my plan worked perfectly
happy my sister is not at all miserable
happy my sister is very joyful
happy my sister is very pleased
happy my sister was miserable but now she is delighted
happy my sister was sad but now she is cheerful
happy school is over and summer begins
happy the children were disappointed but now they are delighted
happy the children were worried but now they are glad
happy the film was not boring at all
happy the lesson was fantastic
happy the lesson was not awful at all
happy the lesson was not bad at all
happy the lesson was terrible but I am excited
happy the party was fantastic
happy the party was not bad at all
happy the party was not boring at all
happy the party was terrible but I am happy
happy the picnic was not horrible at all
happy the school play was awful but I am excited
happy the school play was not awful at all
happy the sun is shining and we sing
happy the trip was awful but I am glad
happy the trip was great
happy the trip was not awful at all
happy the visit was boring but I am joyful
happy the visit was not horrible at all
happy the weather was brilliant
happy Tom is never sad on holiday
happy Tom really enjoyed the film
happy Tom was upset but now he is pleased
happy we are not at all unhappy
happy we are not gloomy just happy
happy we danced until midnight
happy we were hurt but now we are joyful
happy well done you did it
happy what a wonderful surprise
sad Anna did not enjoy the party
sad Anna is never thrilled here
sad Anna is not very pleased
sad Anna is not very proud
sad Anna is very tired
sad everything goes wrong today
sad I am not proud just unhappy
sad I broke my favourite cup
sad I was proud but now I am miserable
sad my baby brother did not call us
sad my best friend did not call us
sad my best friend did not wait for me
sad my brother was happy but now he is upset
sad my brother was proud but now he is lonely
sad my grandma did not write to me
sad my husband did not write to me
sad my mother did not wait for me
sad my neighbour is not excited
sad my neighbour was glad but now she is sad
sad my parents are not very proud
sad my sister was pleased but now she is gloomy
sad my uncle did not like my drawing
sad our teacher is not thrilled
sad the children are not very glad
sad the children are really tired
sad the children are so sad
sad the children were delighted but now they are unhappy
sad the concert was fantastic but I am upset
sad the concert was not wonderful
sad the film was not perfect
sad the film was not wonderful
sad the flight was cancelled
sad the lesson was terrible
sad the party was perfect but I am disappointed
sad the party was terrible
sad the picnic was not great
sad the picnic was not wonderful
sad the rain ruined our trip
sad the school play was not fantastic
sad the visit was horrible
sad the visit was lovely but I am disappointed
sad the weather was boring
sad Tom is not proud just gloomy
sad Tom is not thrilled just disappointed
sad Tom was pleased but now he is disappointed
sad Tom was thrilled but now he is miserable
sad we did not enjoy the school play
sad we missed the last train home
food add some pepper to the sauce
food I love noodles more than rugby
food I love rice more than badminton
food I love rice more than rugby
food I packed sandwiches for the journey
food I prefer apples to cricket
food I prefer pasta to rugby
food I want curry not basketball
food I want noodles not golf
food I want rice not hockey
food I want soup not badminton
food let us order a large pizza
food mum is baking a lemon cake
food my aunt loves to cook rice
food no basketball today let us have chocolate
food tea and biscuits at four
food the fridge is full of vegetables
food Tom skipped the race for breakfast
food we prefer curry to volleyball
food we prefer pancakes to hockey
food who wants another slice of pie
"""


def load():
    """Return the project's own emoji sentences, split into training and test data.

    The classes are 0 love, 1 sports, 2 happy, 3 sad, 4 food, in the proportions of the original Emojify data. No
    sentence stands in both parts. The order is mixed and always the same.

    Returns:
        `((train_texts, train_labels), (test_texts, test_labels))`: lists of str, 2 to 10 words separated by single
        spaces, and int64 arrays of shape `(396,)` and `(168,)` with values 0 to 4.
    """
    return _read(_TRAIN), _read(_TEST)


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


def _read(block):
    lines = [line.partition(" ") for line in block.strip().splitlines()]
    order = numpy.random.default_rng(0).permutation(len(lines))
    texts = [lines[index][2] for index in order]
    labels = numpy.array([LABELS.index(lines[index][0]) for index in order], dtype="int64")
    return texts, labels
