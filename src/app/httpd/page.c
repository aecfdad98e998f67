/*
 * app/httpd/page.c: the demo page: WebSocket echo and the server's live figures, a column a worker.
 * Loads nothing from elsewhere. An element's id is a variable of the script, but `status` is taken:
 * HTML, "Named access on the Window object".
 */
#include "app/httpd/httpd.h"

const char demo_page[] =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Runnel</title>"
    "<meta name=viewport content='width=device-width'><link rel=icon href=data:,><style>"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;"
    "color-scheme:light dark}pre{background:#8882;padding:.7em;border-radius:.4em;min-height:3em;"
    "max-height:14em;overflow:auto}input,button{font:inherit;padding:.2em .6em}"
    "table{display:block;overflow:auto;text-align:right}td{padding:0 .6em}"
    "</style><h1>Runnel</h1><p>This page, its WebSocket and its figures come from one static "
    "binary. "
    "<a href=/plaintext>/plaintext</a> <a href=/json>/json</a> <a href=/status>/status</a>"
    "<h2>WebSocket echo</h2><form id=form><input id=message value='Hello, Runnel'> "
    "<button id=send>Send</button> <span id=state></span></form><pre id=log></pre>"
    "<h2>Status</h2><pre id=status></pre><table id=table></table><script>"
    "let s,say=t=>{log.append(t+'\\n');log.scrollTop=1e9};"
    "function connect(){s=new WebSocket('ws'+location.origin.slice(4)+'/ws');"
    "s.onopen=()=>state.innerText='connected';s.onmessage=e=>say('< '+e.data);"
    "s.onclose=e=>{state.innerText='closed '+e.code;setTimeout(connect,2000)}}connect();"
    "form.onsubmit=e=>{e.preventDefault();if(s.readyState==1){say('> '+message.value);"
    "s.send(message.value)}};"
    "async function live(){let t='no answer';try{let r=await(await fetch('/status')).json(),"
    "w=r.workers;t=`httpd ${r.version}, backend ${r.backend}, up ${r.uptime} s, "
    "${w.length} worker(s)`;table.innerHTML=Object.keys(w[0]).map(k=>"
    "'<tr><td>'+k+w.map(w=>'<td>'+w[k]).join('')).join('')}"
    "catch(e){}document.all.status.innerText=t;setTimeout(live,1000)}live()</script>";

const uint32_t demo_page_size = sizeof demo_page - 1;
