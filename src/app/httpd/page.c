/*
 * app/httpd/page.c: the demo page: WebSocket echo and the server's live figures, a column a worker.
 * Loads nothing from elsewhere. An element's id is a variable of the script, unless the name is
 * taken, as `status` is: HTML, "Named access on the Window object".
 */
#include "app/httpd/httpd.h"

const char demo_page[] =
    "<!doctype html><html lang=en><title>Runnel</title>"
    "<meta name=viewport content=width=device-width><link rel=icon href=data:,>"
    "<style>body{font:1em/1.5 system-ui;max-width:44em;margin:auto;padding:1em;"
    "color-scheme:light dark}pre{background:#8882;padding:1em;overflow:auto;max-height:24em}"
    "</style><h1>Runnel</h1>"
    "<a href=/plaintext>/plaintext</a> <a href=/json>/json</a> <a href=/status>/status</a>"
    "<h2>WebSocket echo</h2><form id=form><input id=message value='Hello, Runnel'> "
    "<button id=send>Send</button> <span id=state></span></form><pre id=log></pre>"
    "<h2>Status</h2><pre id=figures></pre><script>"
    "let s,say=t=>log.append(t+'\\n');"
    "function connect(){s=new WebSocket('ws'+location.origin.slice(4)+'/ws');"
    "s.onopen=()=>state.innerText='connected';s.onmessage=e=>say('< '+e.data);"
    "s.onclose=e=>{state.innerText='closed '+e.code;setTimeout(connect,2000)}}connect();"
    "form.onsubmit=e=>{if(s.readyState==1){say('> '+message.value);s.send(message.value)}"
    "return!1};"
    "async function live(){let t='no answer';try{"
    "t=JSON.stringify(await(await fetch('/status')).json(),0,1).replace(/[\"{}\\[\\],]/g,'')}"
    "catch(e){}figures.innerText=t;setTimeout(live,1000)}live()</script>";

const uint32_t demo_page_size = sizeof demo_page - 1;
