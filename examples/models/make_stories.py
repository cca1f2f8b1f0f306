#!/usr/bin/env python3
"""Write small stories from a grammar: `make_stories.py --seed 1 --stories 10` prints ten.

Every story keeps a small state of who holds what, who is where and what was said, and later sentences depend
on it: pronouns and verbs agree with the person or thing they stand for, names and colours are carried on,
sums come out right, a warning that is not heeded comes true, an animal eats only what its kind likes. A model
has to read the beginning of a story to predict its end, so perplexity measures more than spelling here.

The output depends on the seed alone (only random.Random.random() is used, which Python promises to keep).
Stories start with <|endoftext|> and end with a newline. Needs nothing but the standard library.
"""
import argparse
import random
import sys

END_OF_TEXT = "<|endoftext|>"

BOYS = "Tom Ben Sam Max Leo Jack Finn Hugo Oscar Peter Adam Noah".split()
GIRLS = "Lily Anna Mia Ella Rose Nora Clara Ruby Emma Lucy Ivy Sara".split()
GROUPS = ["the twins", "the two sisters", "the three brothers", "the children", "the cousins"]
PETS = "Spot Milo Pip Daisy Bella Rex Coco Misty Biscuit Ginger".split()
COLOURS = "red blue green yellow white black brown pink orange purple".split()
SIZES = "small big old new shiny round soft little".split()
PLACES = ["in the garden", "by the river", "in the barn", "at the market", "on the hill", "in the forest",
          "near the old bridge", "in the park", "at school", "on the beach"]
SPOTS = ["under a bench", "behind a tree", "in the tall grass", "between two stones", "next to a fence",
         "under some leaves", "inside an old box", "on top of a wall"]
ROOMS = ["the kitchen", "the bedroom", "the cellar", "the attic", "the garden", "the hall", "the shed"]
TOYS = ["ball", "kite", "doll", "drum", "boat", "hat", "bell", "book", "key", "cup", "ring", "spoon"]
PAIRS = ["shoes", "gloves", "boots", "marbles", "crayons", "cards", "skates"]
FRUITS = [("apple", "apples"), ("pear", "pears"), ("plum", "plums"), ("cake", "cakes"), ("nut", "nuts"),
          ("egg", "eggs"), ("cookie", "cookies"), ("shell", "shells"), ("stone", "stones"),
          ("flower", "flowers")]
NUMBERS = "no one two three four five six seven eight nine ten".split()
DIET = {"rabbit": ["carrots", "lettuce", "grass"], "dog": ["meat", "bones", "sausages"],
        "cat": ["fish", "milk", "meat"], "bird": ["seeds", "bread", "worms"],
        "mouse": ["cheese", "bread", "seeds"], "goat": ["grass", "apples", "hay"],
        "horse": ["hay", "apples", "carrots"], "bear": ["honey", "fish", "berries"]}
WEIGHT = ["mouse", "cat", "fox", "goat", "horse", "elephant"]
MIXES = [("red", "blue", "purple"), ("red", "yellow", "orange"), ("blue", "yellow", "green"),
         ("red", "white", "pink"), ("black", "white", "grey")]
WEATHER = {"rain": ("it was going to rain", "umbrella", "it began to rain", "wet", "dry"),
           "snow": ("it was going to snow", "warm coat", "it began to snow", "cold", "warm"),
           "sun": ("it was going to be very hot", "straw hat", "the sun burned in the sky", "hot and tired",
                   "cool"),
           "wind": ("it was going to be windy", "thick scarf", "a strong wind began to blow", "cold", "warm")}
WARNINGS = [("climb the old wall", "the stones are loose", "a stone slipped and {a} fell down"),
            ("walk on the ice", "it is too thin", "the ice broke and {a} got very wet"),
            ("touch the stove", "it is hot", "{a} burned {a.their} {a.hand}"),
            ("eat the green berries", "they are bad for you", "{a} got a bad stomach ache"),
            ("open the gate", "the sheep will run away", "all the sheep ran away"),
            ("wake the big dog", "it bites", "the dog woke up and chased {a} down the road"),
            ("leave the path", "it is easy to get lost", "{a} could not find the way home"),
            ("stay out after dark", "the wolf comes at night", "{a} heard the wolf and ran home in fear")]
SEEDS = [("sunflower", "yellow"), ("rose", "red"), ("lily", "white"), ("violet", "purple"), ("poppy", "red"),
         ("daisy", "white"), ("tulip", "pink"), ("bluebell", "blue")]


class Who:
   """A person, a group or an animal, with the forms that agree: {a}, {a.they}, {a.was}, {a.their} ..."""

   def __init__(self, name, pronoun):
      self.name, self.plural = name, pronoun == "they"
      self.they = pronoun
      self.them = {"he": "him", "she": "her", "they": "them"}[pronoun]
      self.their = {"he": "his", "she": "her", "they": "their"}[pronoun]
      self.i, self.my, self.was = ("we", "our", "were") if self.plural else ("I", "my", "was")
      self.s, self.hand = ("s", "hands") if self.plural else ("", "hand")

   def __str__(self):
      return self.name


class Thing:
   """Something one can hold: {o.a} introduces it, {o.the} and {o.it} refer back to it."""

   def __init__(self, adjective, noun, plural):
      self.adjective, self.noun, self.plural = adjective, noun, plural
      self.full = f"{adjective} {noun}"
      self.a = "some " + self.full if plural else article(self.full)
      self.the = "the " + self.full
      self.it, self.them = ("they", "them") if plural else ("it", "it")
      self.was, self.isare, self.this = ("were", "are", "These") if plural else ("was", "is", "This")

   def __str__(self):
      return self.full


def article(noun):
   return ("an " if noun[0] in "aeiou" else "a ") + noun


def amount(n, kind):
   return f"{NUMBERS[n]} {kind[0] if n == 1 else kind[1]}"


class Teller:
   """Draws at random without repeating, and collects the sentences of one story."""

   def __init__(self, rng):
      self.rng, self.used, self.text = rng, set(), []

   def below(self, n):
      return int(self.rng.random() * n)

   def chance(self, p):
      return self.rng.random() < p

   def pick(self, items):
      """One of the items, never one that this story already drew (where it can be helped)."""
      fresh = [x for x in items if x not in self.used] or items
      got = fresh[self.below(len(fresh))]
      self.used.add(got)
      return got

   def person(self, groups=True):
      kind = self.rng.random()
      if groups and kind < 0.15:
         return Who(self.pick(GROUPS), "they")
      return Who(self.pick(BOYS), "he") if kind < 0.575 else Who(self.pick(GIRLS), "she")

   def thing(self):
      adjective = self.pick(COLOURS if self.chance(0.75) else SIZES)
      pair = self.chance(0.25)
      return Thing(adjective, self.pick(PAIRS if pair else TOYS), pair)

   def say(self, *choices, **names):
      """Adds one sentence, chosen among the given wordings."""
      line = choices[self.below(len(choices))].format(**names)
      first = 1 if line[0] == '"' else 0
      self.text.append(line[:first] + line[first].upper() + line[first + 1:])

   def paragraph(self):
      self.text.append("\n")

   def open(self, **names):
      when = ["One day", "One morning", "Once upon a time", "Last summer", "On a quiet day", "Yesterday"]
      self.say(self.pick(when) + ", " + names.pop("line"), **names)

   def story(self):
      return " ".join(self.text).replace(" \n ", "\n").strip() + "\n"


def lost_and_found(t):
   a, b, o = t.person(), t.person(False), t.thing()
   last, before = t.pick(PLACES), t.pick(PLACES)
   t.open(line="{a} got {o.a}.", a=a, o=o)
   t.say("First {a.they} played with {o.them} {p}.", "{a} took {o.the} along and played {p}.", a=a, o=o,
         p=before)
   t.say("Then {a.they} played with {o.them} {p}.", "Later {a.they} sat {p} with {o.the}.", a=a, o=o, p=last)
   t.say("In the evening {o.the} {o.was} gone.", "When {a} came home, {o.the} {o.was} not there.", a=a, o=o)
   t.paragraph()
   t.say('"Where {o.isare} {a.my} {o}?" cried {a}.', a=a, o=o)
   t.say('"Where did you have {o.them} last?" asked {b}.', '{b} asked, "Where did you last see {o.them}?"',
         b=b, o=o)
   t.say('"{p}," said {a}.', p=last, a=a)
   if t.chance(0.3):
      t.say("They looked {s}, but there was nothing.", s=t.pick(SPOTS))
   t.say("They went back and looked {s}, and there {o.it} {o.was}!", s=t.pick(SPOTS), o=o)
   t.paragraph()
   t.say('"Thank you, {b}," said {a}, and held {o.the} tight.', "{a} thanked {b} and took {o.the} home.",
         a=a, b=b, o=o)
   t.say("{a} never left {o.them} {p} again.", "{a} {a.was} happy to have {o.the} again.", a=a, o=o, p=last)


def hungry_animal(t):
   a, kind = t.person(), t.pick(sorted(DIET))
   pet = Who(t.pick(PETS), "he" if t.chance(0.5) else "she")
   good = t.pick(DIET[kind])
   bad = t.pick(sorted({food for foods in DIET.values() for food in foods} - set(DIET[kind])))
   t.open(line="{a} met {k} named {pet} {p}.", a=a, k=article(kind), pet=pet, p=t.pick(PLACES))
   t.say("{pet} was very hungry and looked sad.", "The {k} was hungry.", pet=pet, k=kind)
   t.say("{a} had some {x} and some {y} in {a.their} bag.", "In {a.their} bag {a} had {x} and {y}.", a=a,
         **dict(zip("xy", (good, bad) if t.chance(0.5) else (bad, good))))
   t.paragraph()
   if t.chance(0.6):
      t.say("First {a} gave {pet} the {f}.", "{a} held out the {f}.", a=a, pet=pet, f=bad)
      t.say("But {pet} did not like {f}.", "{pet} only turned {pet.their} head away.", pet=pet, f=bad)
      t.say("Then {a} tried the {f}.", "So {a} gave {pet.them} the {f}.", a=a, pet=pet, f=good)
   else:
      t.say("{a} knew that {k}s like {f}, so {a.they} gave {pet} the {f}.", a=a, k=kind, pet=pet, f=good)
   t.say("{pet} ate all the {f} and was happy.", "The {k} ate the {f} at once.", pet=pet, k=kind, f=good)
   left = "were" if bad.endswith("s") and bad != "grass" else "was"
   t.say("{a} kept the {f} for {a.their} own lunch.", "Only the {f} {x} left.", a=a, f=bad, x=left)
   t.say("From that day on, {pet} the {k} was a friend of {a}.", pet=pet, k=kind, a=a)


def weather(t):
   a, b = t.person(), t.person(False)
   told, tool, comes, bad, good = WEATHER[t.pick(sorted(WEATHER))]
   wise = t.chance(0.5)
   t.open(line="{b} told {a} that {w}.", a=a, b=b, w=told)
   if wise:
      t.say("So {a} took {a.their} {x}{a.s} along.", "{a} listened and packed the {x}{a.s}.", a=a, x=tool)
   else:
      t.say('"{a.i} do not believe it," said {a}, and left the {x}{a.s} at home.', a=a, x=tool)
   t.say("{a} went out to play {p}.", "{a} spent the day {p}.", a=a, p=t.pick(PLACES))
   t.say("In the afternoon {c}.", "Soon {c}.", c=comes)
   t.paragraph()
   if wise:
      up = "up" if tool == "umbrella" else "on"
      t.say("{a} put {up} the {x}{a.s} and stayed {g}.", a=a, x=tool, g=good, up=up)
      t.say('"It was good to listen to {b}," said {a}.', "{a} thanked {b} for the good advice.", a=a, b=b)
   else:
      t.say("{a} had no {x}{a.s} and got {g}.", "Without the {x}{a.s}, {a.they} got {g}.", a=a, x=tool, g=bad)
      t.say('"Next time {a.i} will listen to {b}," said {a}.',
            "{a} ran home and told {b} that {b.they} was right.", a=a, b=b)


def trade(t):
   a, b, x, y = t.person(False), t.person(False), t.thing(), t.thing()
   t.open(line="{a} had {x.a} and {b} had {y.a}.", a=a, b=b, x=x, y=y)
   t.say("{a} liked {y.the} more.", "{a} looked at {y.the} all the time.", a=a, y=y)
   t.say('"Will you trade?" {a.they} asked.', '"Let us trade," said {a}.', a=a)
   t.paragraph()
   if t.chance(0.65):
      t.say("{b} said yes and gave {a} {y.the}.", '"Yes," said {b}, and took {x.the}.', a=a, b=b, x=x, y=y)
      t.say("Now {a} had {y.the} and {b} had {x.the}.", a=a, b=b, x=x, y=y)
      t.say("{a} played with {y.the} all day, and {b} took {x.the} home.", a=a, b=b, x=x, y=y)
   else:
      giver = t.pick(["mother", "father", "uncle", "aunt"])
      t.say('"No," said {b}. "{y.this} {y} {y.isare} a gift from my {g}."', b=b, y=y, g=giver)
      t.say("So {b} kept {y.the} and {a} kept {x.the}.", a=a, b=b, x=x, y=y)
      t.say("{a} went home with {x.the} and was not angry.", "In the end they shared {x.the} and {y.the}.",
            a=a, x=x, y=y)


def counting(t):
   a, friends, kind = t.person(False), [t.person(False), t.person(False)], t.pick(FRUITS)
   n = 3 + t.below(8)
   t.open(line="{a} had {n} in a basket.", a=a, n=amount(n, kind))
   for b in friends[:1 + t.below(2)]:
      give = n > 1 and t.chance(0.7) or n == 10
      k = 1 + t.below(min(4, n if give else 10 - n))
      if give:
         t.say("{a} met {b} and gave {b.them} {k}.", "{b} asked for some, so {a} gave {b} {k}.", a=a, b=b,
               k=amount(k, kind))
      else:
         t.say("{b} came by and put {k} in the basket.", "Then {b} gave {a} {k}.", a=a, b=b, k=amount(k,
               kind))
      n += -k if give else k
      t.say("Now there {w} {n} in the basket.", "Then {a} had {n}.", a=a, n=amount(n, kind),
            w="was" if n == 1 else "were")
   t.paragraph()
   if n == 0:
      t.say("The basket was empty, but {a} was glad, because {a.their} friends were happy.", a=a)
   else:
      t.say("{a} took the {n} home.", "In the evening {a} counted again and still had {n}.", a=a,
            n=amount(n, kind))


def heavy_box(t):
   i = t.below(len(WEIGHT) - 1)
   weak, strong = WEIGHT[i], WEIGHT[i + 1 + t.below(len(WEIGHT) - 1 - i)]
   box = t.pick(["box", "log", "cart", "stone", "sack"])
   food = t.pick(["apples", "nuts", "honey", "cheese", "bread"])
   hidden = "in" if box in ("box", "cart", "sack") else "under"
   are = "were" if food.endswith("s") else "was"
   t.open(line="{w} found a heavy {x} {p}.", w=article(weak), x=box, p=t.pick(PLACES))
   t.say("The {w} wanted to move the {x}, because there {are} {f} {h} it.", w=weak, x=box, f=food, h=hidden,
         are=are)
   t.say("It pushed and pulled, but the {x} did not move.", "But the {w} was too weak.", w=weak, x=box)
   t.paragraph()
   if i and t.chance(0.5):
      t.say('"I can help you," said {v}, but it was even weaker.', v=article(WEIGHT[t.below(i)]))
   t.say('{s} came by. "May I help?" it asked.', "It called {s} for help.", s=article(strong))
   t.say("The {s} was stronger than the {w} and moved the {x} at once.", s=strong, w=weak, x=box)
   if t.chance(0.7):
      t.say("The {w} gave the {s} half of the {f}.", "Then the {w} and the {s} shared the {f}.", w=weak,
            s=strong,
            f=food)
   else:
      t.say("But the {w} did not want to share the {f}, and the {s} never helped it again.", w=weak, s=strong,
            f=food)


def race(t):
   f, s = (Who(t.pick(PETS), p) for p in (("he", "she") if t.chance(0.5) else ("she", "he")))
   x, y = t.pick(["hare", "fox", "deer", "horse"]), t.pick(["snail", "turtle", "duck", "hedgehog"])
   goal = t.pick(["the old oak", "the bridge", "the mill", "the red gate", "the lake"])
   stop = t.pick([("slept under a tree", "slept"), ("stopped to eat", "stopped"), ("went the wrong way",
                 "gone wrong"),
                  ("talked to a friend", "talked"), None])
   t.open(line="{f} the {x} and {s} the {y} ran a race to {g}.", f=f, s=s, x=x, y=y, g=goal)
   t.say('"I am faster than you," said {f}.', "{f} was fast and {s} was slow.", f=f, s=s)
   t.paragraph()
   if stop:
      t.say("On the way {f} {x}.", "But {f} {x}.", f=f, x=stop[0])
      t.say("{s} did not stop and came to {g} first.", "{s} walked on and on and passed {f.them}.", s=s, f=f,
            g=goal)
      t.say("So {s} the {y} won, and {f} the {x} lost.", s=s, f=f, x=x, y=y)
      t.say("{f} was sorry that {f.they} had {x}.", f=f, x=stop[1])
   else:
      t.say("{f} did not stop and came to {g} first.", f=f, g=goal)
      t.say("So {f} the {x} won, and {s} the {y} lost.", s=s, f=f, x=x, y=y)
      t.say("{s} said that {s.they} would try again.", '"Well done," said {s}.', s=s)


def warning(t):
   a, b, (act, why, result) = t.person(), t.person(False), t.pick(WARNINGS)
   elder = t.pick(["mother", "father", "uncle", "aunt", "teacher"])
   t.open(line='the {e} of {a} said, "Do not {x}, because {y}."', a=a, e=elder, x=act, y=why)
   t.say("{a} went out to play.", "{a} nodded and left.", "Then {a} {a.was} alone.", a=a)
   t.paragraph()
   if t.chance(0.55):
      t.say("But soon {a.they} forgot and wanted to {x}.", "But {a} thought it would be fun to {x}.", a=a,
            x=act)
      t.say(result + ".", "At first all went well, but then " + result + ".", a=a)
      t.say('"Now {a.i} know why {e} said so," said {a}.',
            "The {e} was not angry, only glad that {a} {a.was} safe.", a=a, e=elder)
   else:
      t.say('"Come, let us {x}," said {b}.', "{b} asked {a} to {x}.", a=a, b=b, x=act)
      t.say('"No," said {a}, "{y}."', a=a, y=why)
      t.say("{a} did it alone, and " + result + ".", a=b)
      t.say("{a} {a.was} glad to have listened to the {e}.", a=a, e=elder)


def mixing(t):
   a, b, (x, y, z) = t.person(False), t.person(False), t.pick(MIXES)
   what = t.pick(["boat", "house", "chair", "door", "kite", "bird", "fence"])
   if t.chance(0.5):
      x, y = y, x
   t.open(line="{a} wanted to paint {w}.", a=a, w=article(what))
   t.say("{a.they} had only {x} paint, and {b} had {y} paint.", a=a, b=b, x=x, y=y)
   t.say("They mixed the {x} and the {y} in a pot.", "{b} poured the {y} paint into the {x} paint.", b=b,
         x=x, y=y)
   t.paragraph()
   t.say('"Look, it is {z}!" said {b}.', "The paint turned {z}.", b=b, z=z)
   t.say("Soon the {w} was {z}.", "So {a} painted the {w} {z}.", a=a, w=what, z=z)
   t.say('"{n} {w} is nicer than {x} or {y}," said {a}.',
         "{a} and {b} liked the {z} {w} very much.", a=a, b=b, w=what, x=x, y=y, z=z,
         n=article(z).capitalize())


def carrying(t):
   a, b, o, q = t.person(False), t.person(False), t.thing(), t.thing()
   start, where, other, later = (t.pick(ROOMS) for _ in range(4))
   t.open(line="{a} took {o.the} from {r} and carried {o.them} to {s}.", a=a, o=o, r=start, s=where)
   t.say("{b} put {q.the} in {r}.", "Meanwhile {b} left {q.the} in {r}.", b=b, q=q, r=other)
   if t.chance(0.5):
      where = later
      t.say("Then {a} went to {r} and left {o.the} there.", "After that, {a} brought {o.the} to {r}.", a=a,
            o=o,
            r=where)
   t.paragraph()
   asked = [(o, where), (q, other)]
   if t.chance(0.5):
      asked.reverse()
   t.say('"Where {o.isare} {o.the}?" asked Grandmother.', o=asked[0][0])
   t.say('"In {r}," said {x}.', r=asked[0][1], x=a if t.chance(0.5) else b)
   if t.chance(0.6):
      t.say('"And {o.the}?"', o=asked[1][0])
      t.say('"{o.it} {o.isare} in {r}."', o=asked[1][0], r=asked[1][1])
   t.say("Grandmother went to {r} and found {o.the}.", r=asked[0][1], o=asked[0][0])


def birthday(t):
   a, givers = t.person(False), [t.person(False) for _ in range(3)]
   gifts = [t.thing() for _ in givers]
   best, big = t.below(3), t.below(3)
   t.open(line="it was the birthday of {a}.", a=a)
   for who, gift in zip(givers, gifts):
      t.say("{w} gave {a.them} {g.a}.", "{w} brought {g.a}.", w=who, a=a, g=gift)
   t.paragraph()
   t.say("{a} liked {g.the} best and thanked {w}.", '"I like {g.the} best, {w}," said {a}.', a=a,
         g=gifts[best],
         w=givers[best])
   if big != best:
      t.say("{g.the} from {w} {g.was} a little too big.", "{w} had made {g.the} for {a.them}.", a=a,
            g=gifts[big],
            w=givers[big])
   rest = [who for who in givers if who is not givers[best]]
   t.say("Then {a}, {x}, {y} and {z} ate cake.", a=a, x=givers[best], y=rest[0], z=rest[1])


def planting(t):
   people, good = [t.person(False), t.person(False)], t.below(3)
   plants = [t.pick(SEEDS), t.pick(SEEDS)]
   t.open(line="{a} planted {x} and {b} planted {y}.", a=people[0], b=people[1], x=article(plants[0][0]),
          y=article(plants[1][0]))
   if good == 2:
      t.say("Both watered their plants every day.", "They never forgot the water.")
   else:
      t.say("{w} watered it every day, but {o} forgot.", "{o} forgot the water, but {w} did not.",
            w=people[good],
            o=people[1 - good])
   t.paragraph()
   for i, (who, (plant, colour)) in enumerate(zip(people, plants)):
      if good in (i, 2):
         t.say("The {p} of {w} grew tall and its flower was {c}.", "Soon {w} had a {c} {p}.", p=plant, w=who,
               c=colour)
      else:
         t.say("The {p} of {w} dried up.", "{w} had only dry leaves where the {p} should be.", p=plant, w=who)
   if good != 2:
      t.say('"You may have a seed of my {p}," said {w} to {o}.', p=plants[good][0], w=people[good],
            o=people[1 - good])


PLOTS = [lost_and_found, hungry_animal, weather, trade, counting, heavy_box, race, warning, mixing, carrying,
         birthday, planting]


def stories(seed):
   """Endless stories of one seed."""
   rng = random.Random(seed)
   while True:
      teller = Teller(rng)
      PLOTS[teller.below(len(PLOTS))](teller)
      yield teller.story()


def take(seed, count=None, size=None, without=frozenset()):
   """The first stories of a seed: `count` of them, or what fits in `size` bytes; none of `without`."""
   out, total = [], 0
   for story in stories(seed):
      if story in without:
         continue
      total += len(story) + len(END_OF_TEXT)
      if count is not None and len(out) == count or size is not None and total > size:
         return out
      out.append(story)


def main():
   parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
   parser.add_argument("--seed", type=int, default=1)
   parser.add_argument("--stories", type=int, help="how many stories")
   parser.add_argument("--bytes", type=int, help="at most so many bytes")
   args = parser.parse_args()
   if args.stories is None and args.bytes is None:
      args.stories = 10
   sys.stdout.write("".join(END_OF_TEXT + s for s in take(args.seed, args.stories, args.bytes)))


if __name__ == "__main__":
   main()
