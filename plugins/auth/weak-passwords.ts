/** Passwords that are tried first by whoever guesses. */

/** Beginnings of the most used ones; what follows them (digits, signs) makes none of them hard to guess. */
const COMMON = `
  000000 010203 101010 102030 111111 112233 121212 123123 123321 123456 123654 131313 147258 159357 159753 222222 232323 252525
  303030 333333 444444 456789 555555 654321 666666 696969 741852 777777 789456 888888 963852 987654 999999 1q2w3e 1qaz2wsx
  aaaaaa abc123 abcabc abcd1234 abcdef access adidas admin alexander alexis amanda america andrea andrew angel angela anthony
  apple arsenal asdasd asdf asdfgh ashley asshole austin babygirl badboy banana barcelona baseball basketball batman beautiful
  beeline benjamin blahblah blink182 bonnie brandon bubbles buster butterfly carolina changeit changeme charlie cheese chelsea
  chicken chocolate christian christine claudia computer cookie corvette cowboys daniel danielle default demo diamond dolphin
  dragon eagles einstein elephant elizabeth eminem facebook ferrari florida flower football forever freedom fuckyou gabriel
  garfield george ginger gizmodo google guest hannah hardcore harley hello heather helloworld hockey hunter iceman iloveyou
  internet jackson january jasmine jennifer jessica jonathan jordan joshua justin killer kimberly lakers letmein liverpool login london
  looking lovely loveme maggie manchester marina marlboro martin master matrix matthew maverick melissa mercedes merlin metallica
  michael michelle mickey midnight million minecraft monica monkey monster mustang naruto nathan natasha newyork nicholas nicole
  nothing october oliver onelove orange p@ssw0rd p@ssword pa55word pakistan parola pass passord passport passw0rd passwort password
  patricia patrick peaches pepper phoenix pokemon porsche princess purple q1w2e3 qazwsx qwaszx qwer1234 qwert qwertz qwerty rachel
  rainbow ranger realmadrid richard robert rockstar root samantha samsung scooter scorpion secret server shadow shannon silver
  slipknot snoopy soccer sophie spider spongebob starwars steelers stella steven strawberry student summer sunflower sunshine
  superman superstar swordfish sydney system taylor teacher temp tennis test thomas thunder tiger tigger tinkerbell toyota trinity
  trustno1 user vanessa victoria welcome whatever william willow winner winter xxxxxx yankees yellow zaq12wsx zxcvbn zxcvbnm
`
  .trim()
  .split(/\s+/)
const WORDS = new Set(COMMON)

/** Why a password is too easy, if it is. */
export function findWeakness(password: string, username: string): string | undefined {
  const lower = password.normalize('NFKC').toLowerCase() // as it is hashed: wide letters are the same password
  const name = username.toLowerCase().split('@')[0] ?? ''
  if (name.length > 3 && lower.includes(name)) return 'must not contain the name of its user'
  if (new Set(lower).size < 4) return 'has too few different characters'
  if (isSequence(lower)) return 'must not be a row of neighbours'
  const core = lower.replace(/[^a-z]*$/, '')
  const twice = lower.slice(0, Math.ceil(lower.length / 2))
  const isCommon = WORDS.has(core) || WORDS.has(lower) || twice.repeat(2) === lower || COMMON.some(leaves(lower))
  return isCommon ? 'is one of those that are guessed first' : undefined
}

/** Whether little is left of a text besides a common beginning: its neighbours on the keyboard or in the alphabet. */
const leaves = (text: string) => (word: string) =>
  word.length > 5 && text.startsWith(word) && text.length - word.length < 5

const isSequence = (text: string) => {
  const steps = new Set([...text].slice(1).map((one, i) => one.charCodeAt(0) - text.charCodeAt(i)))
  return steps.size === 1
}
