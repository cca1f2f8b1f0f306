"""Deterministic mixed text that tokenizers find hard: mixed_text(size, seed) -> str.

Only characters of old standing are drawn (all of Unicode 3.2, whose table Python keeps for ever, plus named
later scripts and emoji up to Unicode 10), so that every library's Unicode tables agree on them.
"""
import random
import unicodedata

OLD = unicodedata.ucd_3_2_0
BLOCK = 128
LATER = [(0x07CA, 0x07E7), (0x1B05, 0x1B33), (0x2C00, 0x2C2E), (0xA984, 0xA9B2), (0x104B0, 0x104D3),
         (0x12000, 0x1236E), (0x13000, 0x1342E), (0x1E900, 0x1E943), (0x11103, 0x11126), (0x10A10, 0x10A13)]
EMOJI = ("😀 😂 🤔 🙈 🎉 🚀 🌍 🍎 🐶 ❤️ ☺️ ☎ ⚽ ✈️ 👍🏽 👋🏿 🧑🏻 👩‍💻 👨‍👩‍👧‍👦 🏳️‍🌈 👁️‍🗨️ 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🇩🇪 🇯🇵 🇧🇷 1️⃣ #️⃣ *️⃣ "
         "🤷🏽‍♀️ 🕵️‍♂️ 👩🏿‍🚀 🧙‍♂️ 👩‍❤️‍💋‍👨").split()
SENTENCES = """The quick brown fox jumps over the lazy dog.
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.
Voix ambiguë d’un cœur qui, au zéphyr, préfère les jattes de kiwis.
El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío; ¿añoraba a su querido cachorro?
À noite, vovô Kowalsky vê o ímã cair no pé do pinguim queixoso.
Pchnąć w tę łódź jeża lub ośm skrzyń fig.
Příliš žluťoučký kůň úpěl ďábelské ódy.
Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul ıssız
Tôi có thể ăn thủy tinh mà không hại gì.
Съешь же ещё этих мягких французских булок, да выпей чаю.
Жебракують філософи при ґанку церкви в Гадячі, ще й шатро їхнє п'яне знаємо.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΟΔΥΣΣΕΥΣ
דג סקרן שט בים מאוכזב ולפתע מצא חברה
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق. ١٢٣٤٥
بر لب جوی نشین و گذر عمر ببین ۱۲۳
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश। १२३
আমি কাঁচ খেতে পারি, তাতে আমার কোনো ক্ষতি হয় না।
நான் கண்ணாடி சாப்பிடுவேன், அதனால் எனக்கு ஒரு கேடும் வராது.
నేను గాజు తినగలను మరియు అలా చేసినా నాకు ఏమి ఇబ్బంది లేదు
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓
ຂອ້ຍກິນແກ້ວໄດ້ໂດຍທີ່ມັນບໍ່ໄດ້ເຮັດໃຫ້ຂອ້ຍເຈັບ
မင်္ဂလာပါ ကမ္ဘာ
მინას ვჭამ და არა მტკივა.
Կրնամ ապակի ուտել և ինծի անհանգիստ չըներ։
ሰማይ አይታረስ ንጉሥ አይከሰስ።
我能吞下玻璃而不伤身体。人人生而自由,在尊严和权利上一律平等。
我能吞下玻璃而不傷身體。「你好」,她說。
いろはにほへと ちりぬるを わかよたれそ つねならむ。カタカナ、半角ｶﾅ、ー。
키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.
ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ᛫ᚠᛁᚱᚪ᛫ᚷᛖᚻᚹᛦᛚᚳᚢᛗ
Ƿæt! Kæmi ný öxi hér, ykist þjófum nú bæði víl og ádrepa.""".split("\n")
CODE = """int main(void) { return printf("%d\\n", x->y[3] += 0x1F); }
for (size_t i = 0; i < n; ++i) sum += a[i] * b[i];\t/* dot */
def f(x, *, y=None):\n    if x != y:\n        return {k: v for k, v in x.items()}\n\n\n    pass
SELECT COUNT(*) FROM t WHERE a <> 'it''s' AND b LIKE '%x_';
<a href="https://example.org/?q=1&amp;r=%20#top">link</a>
{"key": [1, 2.5e-10, null, true], "s": "\\u00e9\\n"}
git commit -m "fix: don't" && ls -la ~/.config | grep -v '^d'
\\begin{equation} e^{i\\pi} + 1 = 0 \\end{equation}
#include <stdint.h>\n#define MAX(a,b) ((a)>(b)?(a):(b))\n""".split("\n")
WORDS = """I'm you're he's they've we'll she'd don't can't IT'S WE'LL I'D YOU'VE 's 't 're 've 'm 'll 'd 'S
'LL rock'n'roll o'clock word words sword word2 _word Word, (word) co-operate naïve café CAFÉ Straße STRASSE
ﬁne Ｆｕｌｌ ½ x² H₂O №5 ™ ﷺ \u00c5 \u212b \u212a ﬀ ǆ ŉ İ ı ſ ς Σ test@example.com 3.14159 1,000,000 12:34:56
2024-02-29 +49 100% $5.00 €20 £3 Mississippi zyzzyva supercalifragilistic antidisestablishmentarianism ...and…
-- — – “q” ‘q’ «q» „q“""".split()
SPECIALS = """<|endoftext|> <unk> <s> </s> <pad> <|im_start|> <|im_end|> <|begin_of_text|> <|end_of_text|>
<|tool|> <|start_story|> <|end_story|> <mask> [UNK] [CLS] [SEP] [MASK] <BOS> <EOS> <0x41> <0xE2> <|endoftext|
|endoftext|> <<s>> <s><s> a<mask>b Caf\u00e9 Cafe\u0301""".split()
SPACES = ["\u00a0", "\u1680", "\u2002", "\u2009", "\u200b", "\u202f", "\u3000", "\u2028", "\u2029", "\u0085",
          "\v", "\f", "\ufeff", "\u180e", "\u200d", "\u00ad", "\r\n", "\r", "\t", " \n", "\n ", "▁", " ▁ ",
          "Ġ", "Ċ"]
MARKS = "\u0301\u0300\u0308\u0327\u0323\u0302\u0331\u20dd\u0345\u0653\u093c\u3099"


def assigned(block):
   points = range(block * BLOCK, (block + 1) * BLOCK)
   return [chr(c) for c in points if OLD.category(chr(c)) not in ("Cn", "Cs", "Co", "Cc")]


def script_blocks():
   """Lists of characters: every block of 128 that has letters; the many Han and Hangul ones thinned."""
   blocks = []
   for b in range(0x30000 // BLOCK):
      start = b * BLOCK
      if (0x3400 <= start < 0x9F00 or 0xAC00 <= start < 0xD700 or start >= 0x20000) and b % 16:
         continue
      chars = assigned(b)
      if len(chars) >= 8:
         blocks.append(chars)
   return blocks + [[chr(c) for c in range(a, z + 1)] for a, z in LATER]


class Mixer:
   def __init__(self, seed):
      self.rng, self.blocks = random.Random(seed), script_blocks()

   def below(self, n):
      return int(self.rng.random() * n)

   def pick(self, items):
      return items[self.below(len(items))]

   def length(self, most):
      """Small as a rule, up to `most` now and then."""
      return 1 + int(most ** self.rng.random())

   def script(self):
      chars = self.pick(self.blocks)
      words = range(self.length(8))
      return " ".join("".join(self.pick(chars) for _ in range(self.length(12))) for _ in words)

   def sentence(self):
      return self.pick(SENTENCES)

   def words(self):
      return " ".join(self.pick(WORDS) for _ in range(self.length(10)))

   def normal_forms(self):
      text = self.pick(SENTENCES + WORDS)
      return unicodedata.normalize(self.pick(["NFC", "NFD", "NFKC", "NFKD"]), text)

   def marks(self):
      return "".join(self.pick("aeionAEÅçक가あ") + "".join(self.pick(MARKS) for _ in range(self.below(4)))
                     for _ in range(self.length(10)))

   def emoji(self):
      return "".join(self.pick(EMOJI) + self.pick(["", "", " ", "a"]) for _ in range(self.length(8)))

   def code(self):
      return " " * self.below(9) + self.pick(CODE)

   def run(self):
      return self.pick([" ", " ", "\n", "\t", "a", "A", "=", "-", "0", "9", "é", "字", "\u0301", "😀", " \n",
                        "'", "\r\n", "\u00a0", "ab", "_"]) * self.length(300)

   def digits(self):
      return "".join(self.pick("0123456789") for _ in range(self.length(40)))

   def special(self):
      before, after = self.pick(["", " ", "  ", "\n", "x"]), self.pick(["", " ", "   ", "\n", "y"])
      return before + self.pick(SPECIALS) + after

   def space(self):
      before, after = self.pick(["a", "", " ", "."]), self.pick(["b", "", " ", "1"])
      return before + self.pick(SPACES) * self.length(3) + after

   def control(self):
      return "".join(chr(self.pick([*range(1, 32), 127, *range(128, 160)])) for _ in range(self.length(6)))

   def noise(self):
      return "".join(self.pick(self.pick(self.blocks)) for _ in range(self.length(30)))

   def piece(self):
      kinds = [self.script, self.script, self.script, self.sentence, self.sentence, self.words, self.words,
               self.normal_forms, self.marks, self.emoji, self.code, self.run, self.digits, self.special,
               self.space, self.control, self.noise]
      return self.pick(kinds)() + self.pick([" ", " ", "\n", "\n", "", "\n\n", ", ", ". "])


def mixed_text(size, seed, extra=()):
   """About `size` bytes of UTF-8; slices of the `extra` texts are strewn in."""
   mixer, out, total = Mixer(seed), [], 0
   while total < size:
      if extra and mixer.rng.random() < 0.02:
         text = mixer.pick(extra)
         at = mixer.below(max(1, len(text) - 2000))
         piece = text[at:at + mixer.length(2000)]
      else:
         piece = mixer.piece()
      out.append(piece)
      total += len(piece.encode())
   return "".join(out)
