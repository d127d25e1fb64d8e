/** Follows a job: looks each second, more rarely while the server is away, and stops when the job is finished. */

const SECOND = 1000
const LONGEST = 30 * SECOND

let pause = SECOND

const findJob = () => document.querySelector('#job[data-open]')

function tellAway(sentence) {
  const notice = document.querySelector('#away')
  if (notice.textContent !== sentence) notice.textContent = sentence
  notice.hidden = !sentence
}

function lookLater() {
  setTimeout(() => findJob()?.dispatchEvent(new Event('look')), pause)
}

function slowDown() {
  pause = Math.min(pause * 2, LONGEST)
  tellAway('The server is away at the moment. This page goes on looking by itself; nothing is lost.')
}

document.addEventListener('htmx:before:response', (event) => {
  const { ok, status } = event.detail.ctx.response.raw
  if (ok) {
    pause = SECOND
    tellAway('')
  } else if (status === 404) {
    // whose it is has logged out meanwhile: the whole page says so
    event.preventDefault()
    location.reload()
  } else {
    event.preventDefault()
    slowDown()
  }
})
document.addEventListener('htmx:error', slowDown)
document.addEventListener('htmx:finally:request', lookLater)
lookLater()
