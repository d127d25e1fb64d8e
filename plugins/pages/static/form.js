/**
 * A form that loses nothing: what is typed is kept until it is stored, and sent again under the same key while the server
 * is away. htmx sends and shows what is wrong; without script the form is a plain form.
 */
import { forgetDraft, keepDraft, restoreDraft } from './draft.js'

/** Seconds between attempts; the last one goes on. */
const PAUSES = [1, 2, 4, 8, 15, 30]
const REFUSED = {
  413: 'This is more than can be taken here. Please shorten what you typed.'
}
/** What the same sending gets over with time, besides the server's own troubles. */
const PASSING = {
  408: 'the sending took too long.',
  409: 'the server is still busy with what was sent before.',
  429: 'the server asks to wait a little.'
}

let timer
let attempts = 0

const findForm = () => document.querySelector('form[data-keep]')
const findButton = (form) => form.querySelector('[data-send]')

/** Tells about the sending, in place of what was told before; with a button as long as it is not sent. */
function tell(form, sentence) {
  const notice = form.querySelector('[data-waiting]')
  notice.querySelector('p').textContent = sentence
  notice.hidden = !sentence
}

/** Whether the same may be taken later. A conflict is for good unless it says when to come again. */
function passes({ status, headers }) {
  return status >= 500 || (status in PASSING && (status !== 409 || headers.has('retry-after')))
}

function stopTimer() {
  clearTimeout(timer)
  timer = undefined
}

function sendAgain(form, seconds) {
  stopTimer()
  timer = setTimeout(() => form.isConnected && form.requestSubmit(), seconds * 1000)
}

/** Seconds of a `Retry-After`. A date, as some proxies send it, leaves the pause to us; no timer lasts for weeks. */
const secondsAsked = (text) => Math.min(Number(text) || 0, 3600)

function waitForServer(form, reason, least = 0) {
  const seconds = Math.max(PAUSES[attempts] ?? PAUSES.at(-1), least)
  attempts += 1
  const words = seconds === 1 ? 'in a second' : `in ${seconds} seconds`
  tell(form, `Not sent yet: ${reason} What you typed is kept on this page and sent again by itself ${words}.`)
  sendAgain(form, seconds)
}

/** A page that came with what was typed keeps it; a blank one takes it from the draft and goes on sending. */
function setUp(form) {
  if (!form) return
  if (!('blank' in form.dataset)) return keepDraft(form, false)
  if (!restoreDraft(form)) return
  tell(form, 'What you typed before is still here, and is being sent again.')
  sendAgain(form, 0.5)
}

/** A key for the next submission. Browsers offer randomUUID on secure pages only. */
const freshKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16)).join('-')

document.addEventListener('input', ({ target }) => {
  const form = target.form
  if (form !== findForm()) return
  keepDraft(form, false)
  if (!timer) return
  stopTimer()
  tell(form, 'Not sent yet. You changed something, so it is not sent by itself: press the button when it is ready.')
})

document.addEventListener('htmx:before:request', ({ target: form }) => {
  stopTimer()
  keepDraft(form, true)
  if (attempts) tell(form, 'Sending again …')
  findButton(form).setAttribute('aria-busy', 'true')
})

document.addEventListener('htmx:before:response', (event) => {
  const form = event.target
  const { raw } = event.detail.ctx.response
  if (raw.ok && raw.redirected) {
    // stored: the button stays off until the next page is here
    event.preventDefault()
    event.detail.ctx.keepIndicators = true
    form.dataset.sent = ''
    forgetDraft(form)
    location.assign(raw.url)
  } else if (passes(raw)) {
    event.preventDefault()
    const reason = PASSING[raw.status] ?? 'the server cannot take it right now.'
    waitForServer(form, reason, secondsAsked(raw.headers.get('retry-after')))
  } else if (raw.status !== 422 && raw.status !== 403) {
    event.preventDefault()
    keepDraft(form, false)
    tell(form, REFUSED[raw.status] ?? `The server did not take this (status ${raw.status}).`)
  }
})

document.addEventListener('htmx:error', ({ target }) => {
  if (target === findForm()) waitForServer(target, 'the server cannot be reached.')
})

document.addEventListener('htmx:finally:request', ({ target: form, detail }) => {
  if (detail.ctx.keepIndicators || form !== findForm()) return
  const button = findButton(form)
  button.removeAttribute('aria-busy')
  // a button that was off has lost the focus
  setTimeout(() => document.activeElement === document.body && button.focus({ preventScroll: true }))
})

document.addEventListener('htmx:after:swap', () => {
  attempts = 0
  setUp(findForm())
})

window.addEventListener('online', () => timer && findForm().requestSubmit())

// brought back as it was left, after it was stored: the next submission is another one
window.addEventListener('pageshow', ({ persisted }) => {
  const form = findForm()
  if (!persisted || !form || !('sent' in form.dataset)) return
  delete form.dataset.sent
  form.elements.namedItem('idempotency_key').value = freshKey()
  for (const button of form.querySelectorAll('button')) button.disabled = false
  findButton(form).removeAttribute('aria-busy')
  tell(form, '')
})

setUp(findForm())
